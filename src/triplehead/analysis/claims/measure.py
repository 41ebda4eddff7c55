"""What a claim's quantity is in the results: comparisons with intervals."""

from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from triplehead.analysis.claims.shares import reaching, share_sample
from triplehead.analysis.claims.verdict import Claimed, Comparison
from triplehead.analysis.figures.read import read_assignments, read_history
from triplehead.analysis.statistics import Estimate, difference, estimate, excess, ratio
from triplehead.analysis.statistics.samples import sample
from triplehead.data.examples import EXAMPLES
from triplehead.data.overlaps import overlaps
from triplehead.errors import InputError
from triplehead.plan.claims import Best, Claim, Difference, Insensitive, Ordering, Place, places
from triplehead.plan.plan import Plan

TENTH = 10
SCATTER = 5.0  # points between seeds, in standard deviation, beyond which a mean says little


def comparisons(plan: Plan, results: Path, claim: Claim) -> list[Comparison]:
    """The comparisons that the claim makes together; not of kind parameters, which is a count.

    Reads scores.json and what the statistics keep beside it, speed/<exhibit>.json, history.csv, assignments.json.gz
    or detections.json.gz, by kind. Raises InputError for a file that is broken.
    """
    quantity, region, published = claim.quantity, claim.region, claim.published

    def scores(metric: str, a: Place, b: Place, claimed: Claimed) -> Comparison:
        found = difference(plan, results, a, b, metric)
        return Comparison(f"{metric}, {a[1]} − {b[1]}", found, claimed, region, published=published)

    match quantity.kind:
        case "difference":
            return [scores(quantity.metric, quantity.of, quantity.minus, quantity.claim)]
        case "ordering":
            return [scores(quantity.metric, a, b, "greater") for a, b in pairwise(quantity.rows)]
        case "best":
            return [scores(quantity.metric, quantity.of, other, "greater") for other in quantity.over]
        case "insensitive":
            return [scores(quantity.metric, a, b, "equal") for a, b in combinations(quantity.rows, 2)]
        case "ratio":
            name = f"{quantity.metric}, {quantity.of[1]} / {quantity.over[1]}"
            measured = (results / "speed" / f"{quantity.of[0]}.json").exists()
            found = ratio(plan, results, quantity.of, quantity.over, quantity.metric) if measured else Estimate(None)
            return [Comparison(name, found, quantity.claim, region, 1.0, published, rounding=0.005)]
        case "share_above":
            a, b = quantity.of, quantity.minus
            name = f"share of predictions at IoU ≥ {quantity.iou:.2f}, {a[1]} over {b[1]}"
            found = excess(*(share_sample(plan, results, place, quantity.iou) for place in (a, b)))
            return [Comparison(name, found, quantity.claim, region)]
        case "trend":
            value, name = {
                "positives": (_positives, "positives a box, last tenth of training over the first"),
                "positive_iou": (_positive_iou, "IoU of positives' boxes, last − first snapshot"),
            }[quantity.series]
            rows = [quantity.of] if quantity.minus is None else [quantity.of, quantity.minus]
            change = [_by_seed(plan, results, place, value) for place in rows]
            found = estimate([_less(*(of[seed] for of in change)) for seed in change[0] if seed in change[-1]])
            claimed: dict[str, Claimed] = {"grows": "greater", "shrinks": "less", "changes": "different"}
            labels = " − ".join(label for _, label in rows)
            return [Comparison(f"{name}, {labels}", found, claimed[quantity.claim], region)]
    raise AssertionError(quantity.kind)


def rests_on(plan: Plan, results: Path, claim: Claim) -> list[str]:
    """Clauses on what lies behind a verdict: part of the validation set, few predictions, seeds that lie far apart."""
    quantity = claim.quantity
    if quantity.kind == "trend" and quantity.series == "positive_iou":
        return [f"it rests on the {EXAMPLES} example images of Figure 4 alone"]
    if quantity.kind == "share_above":
        of, minus = (reaching(plan, results, place, quantity.iou) for place in (quantity.of, quantity.minus))
        every = max([*of[1], *minus[1]], default=0)
        return [f"{_span(of[0])} predictions a seed against {_span(minus[0])}, of up to {every:,}"]
    if not isinstance(quantity, Difference | Ordering | Best | Insensitive):
        return []
    rows = {place[1]: sample(plan, results / "runs", *place, quantity.metric).values for place in places(quantity)}
    return [
        f"seeds of {label}: {', '.join(f'{value:.1f}' for value in values.values())}"
        for label, values in rows.items()
        if len(values) > 1 and np.std(list(values.values()), ddof=1) > SCATTER
    ]


def _span(counts: list[int]) -> str:
    """For example 24 to 30."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _by_seed(plan: Plan, results: Path, place: Place, value: Callable[[Path], float]) -> dict[int, float]:
    """Of a row's runs that have been trained, seed -> value; those with a number."""
    runs = {spec.seed: results / "runs" / spec.id for spec in plan.specs.get(place, ())}
    values = {seed: value(run) for seed, run in runs.items() if (run / "history.csv").exists()}
    return {seed: each for seed, each in values.items() if np.isfinite(each)}


def _less(of: float, minus: float = 0.0) -> float:
    return of - minus


def _positives(run: Path) -> float:
    """Change of the positives a box in percent of the first tenth of the learning curve."""
    history = read_history(run / "history.csv")
    if "positives" not in history:
        raise InputError(run / "history.csv", "expected a column 'positives': only a dense detector assigns points")
    values = history["positives"].to_numpy(dtype=float)
    width = max(1, len(values) // TENTH)
    first, last = values[:width].mean(), values[-width:].mean()
    return 100 * (last / first - 1) if first else float("nan")


def _positive_iou(run: Path) -> float:
    """Last minus first snapshot in percentage points, over the positives of all example images."""
    snapshots = read_assignments(run / "assignments.json.gz")
    first, last = (_mean_iou(snapshot) for snapshot in (snapshots[0], snapshots[-1]))
    return 100 * (last - first)


def _mean_iou(snapshot: dict) -> float:
    """Mean IoU of the boxes that positives predict with the boxes that they were given to; NaN without positives."""
    ious = []
    for image in snapshot["images"]:
        if positives := image["positives"]:
            found = np.array(positives, dtype=float)  # [P, 7]: x, y, index of the box, predicted box
            given = found[:, 2].astype(int)
            ious.append(overlaps(found[:, 3:], np.array(image["boxes"], dtype=float))[np.arange(len(found)), given])
    return float(np.concatenate(ious).mean()) if ious else float("nan")
