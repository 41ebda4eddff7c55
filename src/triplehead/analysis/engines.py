"""A table as either engine measured it, side by side: what the choice of engine changes and what it does not."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from triplehead.analysis.tables import table_frame
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.engines import Engine
from triplehead.plan.plan import Plan


def write_comparison(plans: Mapping[Engine, Plan], exhibit: str, results: Path) -> pd.DataFrame:
    """`results`/<exhibit>_engines.csv from finished runs: row, label, metric, then of each engine mean, standard
    deviation, seeds, 95% interval, the last training loss (mean over seeds) and run ids. `difference`: the second's
    mean less the first's. Raises InputError for a table that the engines do not share and for runs not done.
    """
    parts = []
    for engine, plan in plans.items():
        if exhibit in plan.exhibits and plan.exhibits[exhibit].kind != "scores":
            raise InputError(exhibit, "is no table of scores, which alone depend on the engine")
        frame = table_frame(plan, exhibit, results / "runs").set_index(["row", "label", "metric"])
        frame["loss"] = [last_loss(ids, results / "runs") for ids in frame["run_ids"]]
        parts.append(frame[["mean", "std", "n", "low", "high", "loss", "run_ids"]].add_prefix(f"{engine}_"))
        if any(spec.engine != engine for (name, _), specs in plan.specs.items() if name == exhibit for spec in specs):
            raise InputError(exhibit, f"has rows that {engine} does not train, so there is nothing to compare")
    first, second = plans
    table = parts[0].join(parts[1])
    table["difference"] = table[f"{second}_mean"] - table[f"{first}_mean"]
    with atomic(results / f"{exhibit}_engines.csv") as file:
        file.write_text(table.to_csv(float_format="%.4f", lineterminator="\n"), encoding="utf-8")
    return table


def last_loss(run_ids: str, runs: Path) -> float:
    """The end of the learning curves of a cell's runs, averaged; NaN where nothing was run."""
    files = [runs / run_id / "history.csv" for run_id in filter(None, run_ids.split(";"))]
    losses = [float(pd.read_csv(file)["loss"].iloc[-1]) for file in files]
    return sum(losses) / len(losses) if losses else float("nan")
