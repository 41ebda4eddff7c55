"""How claimed and measured quantities are written."""

import math


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


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Nothing where there is none, or where the number is exact."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or low == high:
        return ""
    return f"[{signed(low, unit)}, {signed(high, unit)}]"
