"""How a table's numbers and the names of its metrics are printed."""

from numbers import Integral

from triplehead.plan.speed import REFERENCE

NAMES = {"FPS_model": "FPS, model only", "FPS_ratio": f"FPS ratio to {REFERENCE}"}
DIGITS = {"FPS_ratio": 2}  # others: one

Left = bool | int | float | str  # of a table's left-hand cells


def plain(value: Left) -> str:
    """A left-hand cell as text; ticks are up to the printer."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def metric_parts(metric: str) -> tuple[str, str]:
    """A metric's name and its index: AP75 -> (AP, 75), APS -> (AP, S), parameters -> (Parameters, '')."""
    if metric in NAMES:
        return NAMES[metric], ""
    if metric.startswith("AP") and len(metric) > 2:
        return "AP", metric[2:]
    return (metric.capitalize() if metric.islower() else metric), ""


def number(value: float | int | None, digits: int = 1) -> str:
    """As the paper prints: one decimal, or a whole count in groups of three. Nothing for None."""
    if value is None:
        return ""
    if isinstance(value, Integral):
        return f"{int(value):,}"
    return f"{float(value):z.{digits}f}"  # z: no -0.0
