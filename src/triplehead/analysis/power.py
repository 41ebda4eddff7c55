"""How many seeds it would take to see the differences that the paper prints, from the noise measured here."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from scipy.special import nctdtr, stdtrit

from triplehead.analysis.statistics.cells import Row, difference
from triplehead.analysis.statistics.estimate import Estimate
from triplehead.plan.claims import Best, Difference
from triplehead.plan.plan import Plan

POWER, LEVEL = 0.80, 0.05
FAR = 5.0  # standard errors
MOST = 1000  # seeds, beyond which the number is of no use


@dataclass(frozen=True)
class Needed:
    """One claimed difference, `a` minus `b` in percentage points. std: of the paired difference between seeds, at least
    what its resamples allow (`statistics.estimate`). seeds: of each row, so that the difference is seen with a power of
    80%; None where its noise has not been measured, and where no number of seeds suffices (`hopeless`).
    """

    a: Row
    b: Row
    metric: str
    claimed: float
    measured: Estimate
    std: float | None
    seeds: int | None
    hopeless: bool


Pair = tuple[Row, Row, str, float]  # a, b, metric, claimed difference


def claimed_differences(plan: Plan) -> list[Pair]:
    """Each pair of rows of a table of scores whose published AP differs, the higher first: what a reader takes the
    table to say; and what the ledger has of other metrics. Rows that are only cited cannot be measured, and rows that
    share their runs cannot differ."""
    pairs: list[Pair] = []
    for name, exhibit in plan.exhibits.items():
        if exhibit.kind != "scores" or "AP" not in exhibit.metrics:
            continue
        rows = [row for row in exhibit.rows if row.spec is not None and "AP" in row.published]
        for one, other in combinations(rows, 2):
            high, low = sorted((one, other), key=lambda row: row.published["AP"], reverse=True)
            pairs.append(((name, high.label), (name, low.label), "AP", high.published["AP"] - low.published["AP"]))
    for claim in plan.claims.claims:
        quantity = claim.quantity
        if isinstance(quantity, Difference) and quantity.metric != "AP" and claim.published is not None:
            pairs.append((quantity.of, quantity.minus, quantity.metric, claim.published))
        elif isinstance(quantity, Best) and quantity.metric != "AP":
            pairs += [(quantity.of, other, quantity.metric, _printed(plan, quantity, other)) for other in quantity.over]
    trained = [pair for pair in pairs if pair[0] in plan.specs and pair[1] in plan.specs and pair[3] > 0]
    return [pair for pair in trained if plan.run_ids(*pair[0]) != plan.run_ids(*pair[1])]


def _printed(plan: Plan, quantity: Best, other: Row) -> float:
    """By how much the first row leads the other in print; NaN where one of them is not printed."""
    of, than = (
        next(row for row in plan.exhibits[exhibit].rows if row.label == label).published.get(quantity.metric, math.nan)
        for exhibit, label in (quantity.of, other)
    )
    return of - than


def needed(plan: Plan, results: Path, pairs: list[Pair]) -> Iterator[Needed]:
    """The seeds that each pair takes. The noise is that of the paired difference of the runs in `results`."""
    for a, b, metric, claimed in pairs:
        found = difference(plan, results, a, b, metric)
        if found.seed_se is None:
            yield Needed(a, b, metric, claimed, found, None, None, False)
        else:
            std = found.seed_se * math.sqrt(found.n)
            seeds = seeds_needed(claimed, std, found.image_se or 0.0)
            yield Needed(a, b, metric, claimed, found, std, seeds, seeds is None)


def seeds_needed(claimed: float, std: float, image_se: float = 0.0, power: float = POWER) -> int | None:
    """The fewest seeds (two or more) with which the difference `claimed` is seen at the two-sided 5% level with
    probability `power`; None if 1,000 are too few.

    std: of the difference between two seeds of the same number, whose mean's variance is std^2 / n. image_se: what the
    choice of images adds to it, whatever n. The test is the paired t test with n - 1 degrees of freedom; with image
    noise they are Satterthwaite's, of which the images' own are many.
    """
    if power_of(claimed, std, image_se, MOST) < power:
        return None
    low, high = 1, MOST  # power at high is enough, at low (one seed: no test) is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(claimed, std, image_se, middle) >= power else (middle, high)
    return high


def power_of(claimed: float, std: float, image_se: float, seeds: int) -> float:
    """Probability that `seeds` (two or more) pairs show the difference `claimed`, by the noncentral t distribution."""
    seed, image = std**2 / seeds, image_se**2
    if not seed + image:
        return 1.0
    freedom = (seeds - 1) * ((seed + image) / seed) ** 2 if seed else math.inf
    freedom = min(freedom, 1e6)
    threshold = stdtrit(freedom, 1 - LEVEL / 2)
    shift = abs(claimed) / math.sqrt(seed + image)
    wrong_side = nctdtr(freedom, shift, -threshold) if shift < FAR else 0.0  # farther out SciPy gives NaN
    return float(1 - nctdtr(freedom, shift, threshold) + wrong_side)
