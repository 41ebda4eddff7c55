"""Tidy tables: one line per row and metric of an exhibit, measured beside published."""

import hashlib
import io
import json
import math
from numbers import Integral
from pathlib import Path

import pandas as pd

from triplehead.analysis.speed import conditions, speed_record, speed_series
from triplehead.errors import InputError
from triplehead.paths import TESTDEV, atomic
from triplehead.plan.plan import Plan, paper_specs
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Exhibit, Row
from triplehead.plan.speed import REFERENCE

COLUMNS = (
    "exhibit", "row", "label", "metric", "mean", "std", "n", "published", "difference", "scale", "split", "run_ids",
    "conditions",
)  # fmt: skip
NUMBERS = ("mean", "std", "published", "difference")
TEXTS = ("scale", "split", "run_ids", "conditions")  # empty where nothing was measured
COUNTED_AT = "paper architecture"
TABLES = ("scores", "parameters", "speed")  # kinds of exhibits that are tables


def table_frame(plan: Plan, exhibit: str, runs: Path) -> pd.DataFrame:
    """What an exhibit's rows measured and what the paper prints for them.

    scores: mean and sample standard deviation over a row's seeds, from `runs`/<id>/scores.json. In a table of
    test-dev scores a row whose every seed has come back from COCO's server is read from testdev.json instead; the
    column `split` says which (val, test-dev), and no cell mixes them. `average` names which of the protocol's
    averages is read.
    parameters: counted on the paper's architecture, without a run.
    speed: mean and sample standard deviation over repeats, from speed/<exhibit>.json beside `runs`.
    What was not measured stays empty, with n = 0.
    Raises InputError for a run without scores, for speed that was not measured, and for an exhibit that is no table.
    """
    if exhibit not in plan.exhibits:
        raise InputError(exhibit, f"no such exhibit; known: {', '.join(plan.exhibits)}")
    kind = plan.exhibits[exhibit].kind
    if kind not in TABLES:
        raise InputError(exhibit, f"is a {kind}, not a table")
    measure = {"scores": _scores, "parameters": _parameters, "speed": _speed}[kind](plan, exhibit, runs)
    records = []
    for index, row in enumerate(plan.exhibits[exhibit].rows):
        for metric in plan.exhibits[exhibit].metrics:
            measured = measure[index][metric]
            mean, published = measured["mean"], published_value(plan.exhibits[exhibit], row, metric)
            comparable = kind != "speed" or metric == "FPS_ratio"  # frames per second are a machine's
            difference = mean - published if comparable and None not in (mean, published) else None
            records.append(
                {"exhibit": exhibit, "row": index, "label": row.label, "metric": metric}
                | measured
                | {"published": published, "difference": difference}
            )
    return _typed(pd.DataFrame(records, columns=list(COLUMNS)))


def published_value(table: Exhibit, row: Row, metric: str) -> float | int | None:
    """What the paper prints; its ratios of frames per second are computed from those that it prints."""
    if metric != "FPS_ratio" or "FPS" not in row.published:
        return row.published.get(metric)
    reference = next(other.published.get("FPS") for other in table.rows if other.label == REFERENCE)
    return None if reference is None else row.published["FPS"] / reference


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Four decimals, integers as integers, nothing where there is no number; written atomically."""
    text = frame.astype({name: object for name in NUMBERS})
    for name in NUMBERS:
        text[name] = [_number(value) for value in frame[name]]
    with atomic(path) as file:
        file.write_text(text.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


def read_csv(path: Path) -> pd.DataFrame:
    """A table written by `write_csv`. Raises InputError if the file is missing or is no such table."""
    try:
        text = path.read_text(encoding="utf-8")
        frame = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(TEXTS, str))
    except FileNotFoundError:
        raise InputError(path, "no such table; make it first") from None
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(path, f"is no table ({error})") from None
    if tuple(frame.columns) != COLUMNS:
        raise InputError(path, f"expected the columns {','.join(COLUMNS)}")
    if not text.endswith("\n"):
        raise InputError(path, "is cut short; delete it and it is made anew")
    try:
        return _typed(frame.fillna(dict.fromkeys(TEXTS, "")))
    except (ValueError, TypeError) as error:
        raise InputError(path, f"a number is expected ({error})") from None


def read_table(plan: Plan, exhibit: str, results: Path) -> pd.DataFrame:
    """`results`/<exhibit>.csv. Raises InputError as `read_csv` does, and where its cells are not those declared."""
    path, table = results / f"{exhibit}.csv", plan.exhibits[exhibit]
    frame = read_csv(path)
    cells = [(index, row.label, metric) for index, row in enumerate(table.rows) for metric in table.metrics]
    if list(zip(frame["row"], frame["label"].astype(str), frame["metric"], strict=True)) != cells:
        problem = f"holds {len(frame)} cells, expected the {len(cells)} of experiments/{exhibit}.yaml; make it anew"
        raise InputError(path, problem)
    return frame


def mean_and_std(values: list[float]) -> tuple[float | None, float | None]:
    """Mean, and sample standard deviation (n - 1), which needs two values."""
    if not values:
        return None, None
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def read_scores(path: Path, metrics: tuple[str, ...]) -> dict[str, float | None]:
    """The named scores of one run. Raises InputError naming the file and the metric that is no number."""
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file: the run has not been evaluated") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as JSON ({error})") from None
    if not isinstance(scores, dict):
        raise InputError(path, "expected a mapping of scores")
    for metric in metrics:
        if metric not in scores:
            raise InputError(path, f"{metric}: missing")
        value = scores[metric]
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not is_number:
            raise InputError(path, f"{metric}: expected a number or null, found {value!r}")
    return {metric: scores[metric] for metric in metrics}


def _scores(plan: Plan, exhibit: str, runs: Path) -> list[dict[str, dict]]:
    table = plan.exhibits[exhibit]
    return [_over_seeds(plan.specs.get((exhibit, row.label), ()), table, runs, plan.config.scale) for row in table.rows]


def _over_seeds(specs: tuple[RunSpec, ...], table: Exhibit, runs: Path, scale: str) -> dict[str, dict]:
    on_server = table.split == "test-dev" and all((runs / spec.id / TESTDEV).exists() for spec in specs)
    file, split = (TESTDEV, "test-dev") if on_server else ("scores.json", "val")
    names = {metric: f"{metric}_{table.average}" if table.average else metric for metric in table.metrics}
    scores = [read_scores(runs / spec.id / file, tuple(names.values())) for spec in specs]
    if on_server:
        for spec in specs:
            _check_server(spec, runs / spec.id)
    ids = ";".join(spec.id for spec in specs)
    measured = {}
    for metric, name in names.items():
        values = [entry[name] for entry in scores if entry[name] is not None]
        mean, std = mean_and_std(values)
        measured[metric] = _measured(mean, std, len(values), *((scale, split) if specs else ("", "")), ids)
    return measured


def _check_server(spec: RunSpec, run: Path) -> None:
    """Raises InputError where the server cannot have scored the run, or scored other weights than it has now."""
    file = run / TESTDEV
    if not spec.on_test_dev:
        raise InputError(file, "the run was not trained on COCO below data_root, which the server scores; delete it")
    try:
        weights = hashlib.sha256((run / "model.pt").read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(run / "model.pt", f"cannot be read ({error.strerror}), whose scores {TESTDEV} holds") from None
    if json.loads(file.read_text()).get("weights") != weights:
        raise InputError(file, "is of other weights than model.pt beside it; delete it, or have these scored")


def _parameters(plan: Plan, exhibit: str, _: Path) -> list[dict[str, dict]]:
    from triplehead.detectors.build import build_detector, count_parameters  # torch takes seconds to import

    rows = []
    for spec in paper_specs(exhibit):
        if spec is None:
            rows.append({"parameters": _measured(None, None, 0, "", "", "")})
        else:
            count = count_parameters(build_detector(spec))["total"]
            rows.append({"parameters": _measured(count, None, 1, COUNTED_AT, "", "")})
    return rows


def _speed(plan: Plan, exhibit: str, runs: Path) -> list[dict[str, dict]]:
    record = speed_record(plan, exhibit, runs.parent)
    series, ids = speed_series(record), {row.label: row.run for row in record.rows}
    return [
        {
            metric: _measured(
                *mean_and_std(values), len(values), record.scale, "val", ids[row.label], conditions(record)
            )
            if (values := series.get(row.label, {}).get(metric))
            else _measured(None, None, 0, "", "", "")
            for metric in plan.exhibits[exhibit].metrics
        }
        for row in plan.exhibits[exhibit].rows
    ]


def _measured(
    mean: float | None, std: float | None, n: int, scale: str, split: str, run_ids: str, measured_on: str = ""
) -> dict:
    return {
        "mean": mean,
        "std": std,
        "n": n,
        "scale": scale,
        "split": split,
        "run_ids": run_ids,
        "conditions": measured_on,
    }


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Nullable integers where every number of an exhibit is one (parameters), else floats with NaN."""
    numbers = [value for name in NUMBERS for value in frame[name] if not pd.isna(value)]
    whole = bool(numbers) and set(frame["metric"]) == {"parameters"}
    kind = "Int64" if whole else "float64"
    return frame.astype({name: kind for name in NUMBERS} | {"row": "int64", "n": "int64"})


def _number(value: object) -> str:
    if pd.isna(value):
        return ""
    return str(value) if isinstance(value, Integral) else f"{float(value):.4f}"
