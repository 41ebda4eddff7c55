"""The ledger: every claim of experiments/claims.yaml with what was measured and the verdict."""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from triplehead.analysis.claims.measure import comparisons, rests_on
from triplehead.analysis.claims.numbers import published_as
from triplehead.analysis.claims.reasons import not_measurable, not_there, stand_ins
from triplehead.analysis.claims.sentences import says
from triplehead.analysis.claims.verdict import INCONCLUSIVE, NOT_MEASURED, judge, judge_count
from triplehead.analysis.csv_files import read_columns
from triplehead.analysis.statistics import cell
from triplehead.analysis.statistics.samples import divergence
from triplehead.paths import atomic
from triplehead.plan.claims import Claim, Parameters, Place, places
from triplehead.plan.plan import Plan

COLUMNS = (
    "claim", "title", "section", "quote", "kind", "compared", "unit", "published", "published_as", "value", "low",
    "high", "interval_over", "n", "n_needed", "region", "verdict", "says", "scale", "run_ids",
)  # fmt: skip
NUMBERS = ("published", "value", "low", "high", "region")
UNITS = {"ratio": "ratio", "parameters": "ratio"}  # others: percentage points, or percent


@dataclass(frozen=True)
class Judged:
    """A claim and its verdict. published_as: what the published number is, where it is not the quantity's own.
    compared: the comparison that decided; value, low, high: of it, in `unit`; interval_over: the sources of noise that
    low and high cover (`Estimate.sources`); n: its seeds (repeats of a speed); n_needed: the fewest that are judged.
    Empty where nothing was measured."""

    claim: str
    title: str
    section: str
    quote: str
    kind: str
    compared: str
    unit: str
    published: float | None
    published_as: str
    value: float | None
    low: float | None
    high: float | None
    interval_over: str
    n: int
    n_needed: int
    region: float
    verdict: str
    says: str
    scale: str
    run_ids: str

    def document(self) -> dict[str, str | float | int | None]:
        """A line of claims.csv, by column."""
        return asdict(self)


def ledger(plan: Plan, results: Path) -> list[Judged]:
    """Judge every claim on what lies below `results`. Runs that are missing are seeds that are missing.

    Raises InputError for a file that is broken or belongs to other runs.
    """
    return [judged(plan, results, claim) for claim in plan.claims.claims]


def judged(plan: Plan, results: Path, claim: Claim) -> Judged:
    """The claim as measured below `results`, with its verdict. Raises InputError for a file that is broken."""
    blank = Judged(
        claim=claim.id,
        title=claim.title,
        section=claim.section,
        quote=claim.sentence,
        kind=claim.quantity.kind,
        compared="",
        unit=_unit(claim),
        published=claim.published,
        published_as=published_as(claim),
        value=None,
        low=None,
        high=None,
        interval_over="",
        n=0,
        n_needed=plan.claims.seeds_of(claim),
        region=claim.region,
        verdict=NOT_MEASURED,
        says="",
        scale=plan.config.scale,
        run_ids="",
    )
    reason = not_measurable(plan, claim) or not_there(plan, results, claim)
    if reason is not None:
        return replace(blank, says=says(blank, plan, reason=reason))
    if isinstance(claim.quantity, Parameters):
        found = _counted(plan, results, claim.quantity, claim.published, blank)
        return replace(found, says=says(found, plan))
    if diverged := _diverged(plan, results, claim):
        return replace(blank, verdict=INCONCLUSIVE, says=f"Inconclusive: diverged ({diverged}).")
    verdict, deciding = judge(comparisons(plan, results, claim), blank.n_needed)
    estimate = deciding.estimate
    known = estimate.n > 1  # one seed's interval is of one model, not of the method
    ids = dict.fromkeys(run for place in places(claim.quantity) for run in plan.run_ids(*place))
    found = replace(
        blank,
        compared=deciding.name,
        value=estimate.value,
        low=estimate.low if known else None,
        high=estimate.high if known else None,
        interval_over=" and ".join(estimate.sources) if known else "",
        n=estimate.n,
        verdict=verdict,
        run_ids=";".join(ids),
    )
    remarks = [*stand_ins(plan, claim), *rests_on(plan, results, claim)]
    return replace(found, says=says(found, plan, deciding, remarks + ([claim.remark] if claim.remark else [])))


def write_csv(entries: list[Judged], path: Path) -> None:
    """results/claims.csv: the same results give the same bytes; four decimals, nothing where there is no number."""
    frame = pd.DataFrame([entry.document() for entry in entries], columns=list(COLUMNS)).astype(object)
    for name in NUMBERS:
        frame[name] = [_number(value) for value in frame[name]]
    with atomic(path) as file:
        file.write_text(frame.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


def read_csv(path: Path) -> pd.DataFrame:
    """Raises InputError if the file is missing or is no ledger."""
    return read_columns(path, COLUMNS, NUMBERS, "no such ledger; make it first", "is no ledger of claims")


def _counted(plan: Plan, results: Path, quantity: Parameters, published: float | None, blank: Judged) -> Judged:
    """Parameters are counted on the paper's architecture, so that every scale can say."""

    def count(place: Place) -> float | None:
        return cell(plan, results, *place, "parameters").value

    own = count(quantity.of)
    if quantity.over is None:
        verdict, value = judge_count(own, published), own
        compared, unit = f"parameters of {quantity.of[1]}", "parameters"
    else:
        other = count(quantity.over)
        value = own / other if own and other else None
        verdict = judge_count(value, quantity.within)
        compared, unit = f"parameters, {quantity.of[1]} / {quantity.over[1]}", "ratio"
    return replace(blank, compared=compared, unit=unit, value=value, low=value, high=value, n=1, n_needed=1,
                   verdict=verdict, scale="paper architecture")  # fmt: skip


def _diverged(plan: Plan, results: Path, claim: Claim) -> str:
    rows = {place[1]: divergence(results / "runs", plan.specs.get(place, ())) for place in places(claim.quantity)}
    return "; ".join(f"{label}, {found}" for label, found in rows.items() if found)


def _unit(claim: Claim) -> str:
    quantity = claim.quantity
    if quantity.kind == "share_above" or (quantity.kind == "trend" and quantity.series == "positives"):
        return "%"
    return UNITS.get(quantity.kind, "points")


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) >= 1e6 else f"{value:z.4f}"
