"""Rows as either engine measured them, side by side: what the choice of engine changes and what it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from triplehead.analysis.figures.read import read_history
from triplehead.analysis.statistics import Estimate, cell, difference
from triplehead.analysis.tables import table_frame
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.engines import DATASETS, ENGINES, Engine
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Exhibit, Row

CELL = ("mean", "std", "n", "low", "high", "loss", "run_ids")
COLUMNS = (
    "row", "label", "metric",
    *(f"{engine}_{name}" for engine in ENGINES for name in CELL),
    "difference", "difference_low", "difference_high",
)  # fmt: skip


@dataclass(frozen=True)
class SideBySide:
    """A set-up's score by either engine and by how much the second's lies above the first's, paired by seed and image;
    used: its rows, as (exhibit, label)."""

    used: tuple[tuple[str, str], ...]
    scores: Mapping[Engine, Estimate]
    difference: Estimate


def side_by_side(plan: Plan, results: Path, metric: str) -> list[SideBySide]:
    """The plan's set-ups of which both engines have scored a common seed, in the plan's order."""
    setups: dict[str, dict[int, RunSpec]] = {}
    used: dict[str, list[tuple[str, str]]] = {}
    for run_id in plan.scored_by_other(results / "runs"):
        spec = plan.runs[run_id].spec.with_engine(ENGINES[0])
        setups.setdefault(spec.group, {})[spec.seed] = spec
        used.setdefault(spec.group, []).extend(plan.runs[run_id].users)
    if not setups:
        return []
    both = _by_engine(plan, {name: tuple(specs.values()) for name, specs in setups.items()}, (metric,))
    found = [
        SideBySide(
            tuple(dict.fromkeys(used[name])),
            {engine: cell(both, results, engine, name, metric) for engine in ENGINES},
            _difference(both, results, name, metric),
        )
        for name in setups
    ]
    return [each for each in found if each.difference.n]


def write_comparison(plan: Plan, exhibit: str, results: Path) -> pd.DataFrame:
    """`results`/<exhibit>_engines.csv from finished runs: COLUMNS, as docs/columns.md has them.

    Raises InputError for a table that the engines do not share and for runs not done.
    """
    table = plan.exhibits.get(exhibit)
    if table is None or table.kind != "scores":
        raise InputError(exhibit, "is no table of scores, which alone depend on the engine")
    rows = {row.label: plan.specs[exhibit, row.label] for row in table.rows if (exhibit, row.label) in plan.specs}
    for engine in ENGINES:
        if any(spec.dataset not in DATASETS[engine] for specs in rows.values() for spec in specs):
            raise InputError(exhibit, f"has rows that {engine} does not train, so there is nothing to compare")
    both, parts = _by_engine(plan, rows, table.metrics), []
    for engine in ENGINES:
        frame = table_frame(both, engine, results / "runs").set_index(["row", "label", "metric"])
        frame["loss"] = [last_loss(ids, results / "runs") for ids in frame["run_ids"]]
        parts.append(frame[list(CELL)].add_prefix(f"{engine}_"))
    found = parts[0].join(parts[1])
    differences = [_difference(both, results, label, metric) for _, label, metric in found.index]
    for name, attribute in (("difference", "value"), ("difference_low", "low"), ("difference_high", "high")):
        found[name] = [getattr(each, attribute) for each in differences]
    with atomic(results / f"{exhibit}_engines.csv") as file:
        file.write_text(found.to_csv(float_format="{:z.4f}".format, lineterminator="\n"), encoding="utf-8")
    return found


def last_loss(run_ids: str, runs: Path) -> float:
    """The end of the learning curves of a cell's runs, averaged; NaN where nothing was run."""
    files = [runs / run_id / "history.csv" for run_id in filter(None, run_ids.split(";"))]
    losses = [float(read_history(file)["loss"].iloc[-1]) for file in files]
    return sum(losses) / len(losses) if losses else float("nan")


def _by_engine(plan: Plan, rows: Mapping[str, tuple[RunSpec, ...]], metrics: tuple[str, ...]) -> Plan:
    """A plan with two tables more, named after the engines: `rows`, label -> specs, as each trains them."""
    table = Exhibit(kind="scores", title="", metrics=metrics, rows=tuple(Row(label=label) for label in rows))
    specs = {
        (engine, label): tuple(spec.with_engine(engine) for spec in each)
        for engine in ENGINES
        for label, each in rows.items()
    }
    return replace(plan, exhibits=plan.exhibits | dict.fromkeys(ENGINES, table), specs=plan.specs | specs)


def _difference(both: Plan, results: Path, label: str, metric: str) -> Estimate:
    first, second = ENGINES
    return difference(both, results, (second, label), (first, label), metric)
