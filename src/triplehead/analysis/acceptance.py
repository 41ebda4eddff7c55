"""A group's own bands around its numbers (`accept` in a row): within, outside, too few seeds, or missing."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triplehead.analysis.statistics.cells import of_sample
from triplehead.analysis.statistics.estimate import Estimate
from triplehead.analysis.statistics.samples import Sample, sample
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Band, Exhibit, Row

Status = Literal["within", "outside", "too few seeds", "missing"]
ROUNDING = 1e-9  # 40.3 + 0.4 is no 40.7


@dataclass(frozen=True)
class Judged:
    """One cell with a band. status: within only where enough seeds were measured and their mean lies in the band."""

    exhibit: str
    label: str
    metric: str
    reference: float
    tolerance: float
    measured: Estimate
    status: Status


def judged(plan: Plan, results: Path, exhibits: tuple[str, ...] = ()) -> Iterator[Judged]:
    """All cells that have a band at the plan's scale, in the order of the files; of `exhibits` alone if any is named.
    Raises InputError for a file that is broken; one that is not there is `missing`."""
    for name, exhibit in plan.exhibits.items():
        for row in exhibit.rows if not exhibits or name in exhibits else ():
            for metric, band in bands(plan, exhibit, row).items():
                found = sample(plan, results / "runs", name, row.label, metric)
                measured = of_sample(found)
                value = reference(row, metric, band)
                verdict = status(band, value, measured, found, exhibit)
                yield Judged(name, row.label, metric, value, band.tolerance, measured, verdict)


def bands(plan: Plan, exhibit: Exhibit, row: Row) -> dict[str, Band]:
    """metric -> the row's band at the plan's scale; none for runs that depart from the scale's file. Counts are of the
    paper's architecture at every scale."""
    if exhibit.kind == "parameters":
        return row.accept.get("paper", {})
    return {} if plan.conditions else row.accept.get(plan.config.scale, {})


def reference(row: Row, metric: str, band: Band) -> float:
    """The middle of the band: the group's own value, or else the published one."""
    return row.published[metric] if band.value is None else band.value


def status(band: Band, middle: float, measured: Estimate, found: Sample, exhibit: Exhibit) -> Status:
    """The verdict on one cell. It is missing where it is no number or of another split than the band is about; the
    interval does not widen the band, nor does it move the verdict: it is printed beside it."""
    if measured.value is None or not math.isfinite(measured.value):
        return "missing"
    if exhibit.kind == "scores" and found.split != (band.split or exhibit.split):
        return "missing"
    if found.unit is not None and measured.n < band.seeds:
        return "too few seeds"
    return "within" if abs(measured.value - middle) <= band.tolerance + ROUNDING else "outside"
