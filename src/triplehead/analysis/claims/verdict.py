"""From intervals to a verdict: pure logic (docs/claims.md)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from triplehead.analysis.statistics import Estimate

SUPPORTED = "supported"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
TOO_FEW = "too few seeds"
NOT_MEASURED = "not measured at this scale"
VERDICTS = (SUPPORTED, CONTRADICTED, INCONCLUSIVE, TOO_FEW, NOT_MEASURED)


Claimed = Literal["greater", "less", "equal", "different"]
Size = Literal["published", "smaller", "larger"]


@dataclass(frozen=True)
class Comparison:
    """One measured quantity and what is claimed of it.

    null: its value where there is no effect (0 of a difference, 1 of a ratio). region: what lies within it of `null`
    makes no practical difference. claim: greater or less than the region, within it (equal), or outside (different).
    published: what the paper prints, right to `rounding`.
    """

    name: str
    estimate: Estimate
    claim: Claimed
    region: float = 0.0
    null: float = 0.0
    published: float | None = None
    rounding: float = 0.05


def judge(comparisons: Sequence[Comparison], seeds: int) -> tuple[str, Comparison]:
    """The verdict on a claim that all comparisons make together, and the one that decides it.

    One comparison that is contradicted contradicts the claim, whatever the others say. Otherwise what is missing, then
    what has too few seeds, then what is undecided decides: a claim is supported only if each comparison is. Of several
    with the same verdict, the one that lies furthest against the claim is named.
    """
    verdicts = [judge_one(comparison, seeds) for comparison in comparisons]
    worst = next(
        verdict for verdict in (CONTRADICTED, NOT_MEASURED, TOO_FEW, INCONCLUSIVE, SUPPORTED) if verdict in verdicts
    )
    deciding = [each for each, verdict in zip(comparisons, verdicts, strict=True) if verdict == worst]
    return worst, min(deciding, key=_margin)


def judge_one(comparison: Comparison, seeds: int) -> str:
    """The verdict on one comparison; a number that is missing, infinite or NaN is never judged, nor one seed's."""
    found = comparison.estimate
    if not _known(found.value):
        return NOT_MEASURED
    if found.n < max(seeds, 2) or found.low is None or found.high is None:
        return TOO_FEW
    if not (_known(found.low) and _known(found.high)):
        return NOT_MEASURED
    low, high, region = found.low - comparison.null, found.high - comparison.null, comparison.region
    inside = -region <= low and high <= region
    outside = low > region or high < -region
    supported, contradicted = {
        "greater": (low > region, high <= region),
        "less": (high < -region, low >= -region),
        "equal": (inside, outside),
        "different": (outside, inside),
    }[comparison.claim]
    return SUPPORTED if supported else CONTRADICTED if contradicted else INCONCLUSIVE


def size(comparison: Comparison) -> Size | None:
    """The measured effect beside the published one: "smaller" or "larger" where the interval lies wholly on that side.

    None without an interval or a published number, and where rows are claimed to be alike: their region is the claim.
    """
    low, high, published = comparison.estimate.low, comparison.estimate.high, comparison.published
    if comparison.claim not in ("greater", "less") or not (_known(low) and _known(high) and _known(published)):
        return None
    below, above = high < published - comparison.rounding, low > published + comparison.rounding
    if comparison.claim == "less":
        below, above = above, below
    return "smaller" if below else "larger" if above else "published"


def judge_count(count: float | None, expected: float | tuple[float, float] | None) -> str:
    """An exact number: equal to the published one, or within bounds (ends included at the top only)."""
    if not _known(count):
        return NOT_MEASURED
    if isinstance(expected, tuple):
        return SUPPORTED if expected[0] < count <= expected[1] else CONTRADICTED
    return SUPPORTED if count == expected else CONTRADICTED


def _margin(comparison: Comparison) -> float:
    """How far the interval (without one, the value) lies on the claimed side."""
    found = comparison.estimate
    if not _known(found.value):
        return -math.inf
    low = (found.low if _known(found.low) else found.value) - comparison.null
    high = (found.high if _known(found.high) else found.value) - comparison.null
    return {"greater": low, "less": -high, "equal": -max(-low, high), "different": max(low, -high)}[comparison.claim]


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
