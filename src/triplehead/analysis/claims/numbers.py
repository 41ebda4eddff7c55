"""How claimed and measured quantities are written."""

import math

from triplehead.plan.claims import Claim


def signed(value: float | None, unit: str) -> str:
    """With a sign where it is a difference; ratios with two digits, counts in full. Nothing for no number."""
    if value is None or not math.isfinite(value):
        return ""
    if unit == "parameters":
        return f"{value:,.0f}"
    if unit == "ratio":
        return f"{value:.2f}"
    text = f"{value:+.1f}" if unit == "points" else f"{value:+.0f}%"
    if not float(text.strip("%")):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def published_as(claim: Claim) -> str:
    """What the published number of a claim is, where it is not simply the quantity's own; "" for those."""
    if claim.published is None:
        return ""
    return {
        "ordering": "smallest of the steps",
        "best": "lead over the next best",
        "insensitive": "largest difference between two of the rows",
    }.get(claim.quantity.kind, "")


def published(value: float | None, unit: str, kind: str) -> str:
    """A published number in a column of numbers: of rows that are claimed to be alike it has no sign."""
    if value is None or not math.isfinite(value):
        return ""
    if kind == "insensitive" and not value:
        return "all equal"  # as printed
    return {
        "ordering": f"each ≥ {signed(value, unit)}",
        "best": f"leads by {signed(abs(value), unit).lstrip('+')}",
        "insensitive": f"within {signed(abs(value), unit).lstrip('+')}",
    }.get(kind, signed(value, unit))


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Nothing where there is none, or where the number is exact."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low == high:
        return ""
    return f"[{signed(low, unit)}, {signed(high, unit)}]"
