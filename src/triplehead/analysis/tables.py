"""Tidy tables: one line per row and metric of an exhibit, measured beside published."""

import io
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from triplehead.analysis.acceptance import bands, reference, status
from triplehead.analysis.statistics.cells import of_sample
from triplehead.analysis.statistics.samples import Sample, sample
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Exhibit, Row
from triplehead.plan.speed import REFERENCE

COLUMNS = (
    "exhibit", "row", "label", "metric", "mean", "std", "n", "low", "high", "seed_se", "image_se", "published",
    "difference", "reference", "tolerance", "status", "scale", "split", "run_ids", "conditions",
    "diverged",
)  # fmt: skip
NUMBERS = ("mean", "std", "low", "high", "seed_se", "image_se", "published", "difference", "reference", "tolerance")
PLACES = ("scale", "split", "run_ids", "conditions", "diverged")  # empty where nothing was measured
TEXTS = ("status", *PLACES)
TABLES = ("scores", "parameters", "speed")  # kinds of exhibits that are tables


def table_frame(plan: Plan, exhibit: str, runs: Path) -> pd.DataFrame:
    """What an exhibit's rows measured and what the paper prints for them.

    scores: mean and sample standard deviation over a row's seeds, and its 95% interval over seeds and images with
    either source's standard error (`statistics.estimate`). Column `split`: val, or test-dev where COCO's server has
    scored every seed.
    parameters: counted on the paper's architecture, without a run; exact.
    speed: mean, standard deviation and interval over repeats.
    difference: measured minus published, where the two are of a kind (`comparable`).
    diverged: which seeds did; such a cell has no number, the other seeds' least of all.
    What was not measured stays empty, with n = 0; so do reference, tolerance and status (`acceptance`) of a cell
    without a band.
    Raises InputError for a run without scores, for speed that was not measured, and for an exhibit that is no table.
    """
    if exhibit not in plan.exhibits:
        raise InputError(exhibit, f"no such exhibit; known: {', '.join(plan.exhibits)}")
    kind = plan.exhibits[exhibit].kind
    if kind not in TABLES:
        raise InputError(exhibit, f"is a {kind}, not a table")
    records = []
    for index, row in enumerate(plan.exhibits[exhibit].rows):
        for metric in plan.exhibits[exhibit].metrics:
            found = sample(plan, runs, exhibit, row.label, metric, complete=True)
            measured = of_sample(found)
            mean, published = measured.value, published_value(plan.exhibits[exhibit], row, metric)
            like = comparable(plan, plan.exhibits[exhibit], metric)
            difference = mean - published if like and mean is not None and published is not None else None
            records.append(
                {"exhibit": exhibit, "row": index, "label": row.label, "metric": metric}
                | {"mean": mean, "published": published, "difference": difference}
                | {name: getattr(measured, name) for name in ("std", "n", "low", "high", "seed_se", "image_se")}
                | {name: getattr(found, name) for name in PLACES}
                | _acceptance(plan, plan.exhibits[exhibit], row, metric, found)
            )
    return _typed(pd.DataFrame(records, columns=list(COLUMNS)))


def comparable(plan: Plan, table: Exhibit, metric: str) -> bool:
    """Whether a measured number may be set against the paper's: counts always; scores and ratios of speed at the
    paper's scale, unless it is a trial; frames per second, which are a machine's, never."""
    if table.kind == "parameters":
        return True
    return plan.at_paper_scale and (table.kind != "speed" or metric == "FPS_ratio")


def _acceptance(plan: Plan, table: Exhibit, row: Row, metric: str, found: Sample) -> dict[str, float | str | None]:
    band = bands(plan, table, row).get(metric)
    if band is None:
        return {"reference": None, "tolerance": None, "status": ""}
    middle = reference(row, metric, band)
    verdict = status(band, middle, of_sample(found), found, table)
    return {"reference": middle, "tolerance": band.tolerance, "status": verdict}


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
    except (ValueError, TypeError, OverflowError) as error:
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


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Nullable integers where every number of an exhibit is one (parameters), else floats with NaN."""
    numbers = [value for name in NUMBERS if name != "tolerance" for value in frame[name] if not pd.isna(value)]
    whole = bool(numbers) and set(frame["metric"]) == {"parameters"}
    kind = "Int64" if whole else "float64"
    return frame.astype({name: kind for name in NUMBERS} | {"tolerance": "float64"} | {"row": "int64", "n": "int64"})


def _number(value: Any) -> str:
    if pd.isna(value):
        return ""
    return str(value) if isinstance(value, Integral) else f"{float(value):z.4f}"
