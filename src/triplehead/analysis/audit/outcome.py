"""What a check gives, and how it writes numbers."""

from dataclasses import dataclass

from triplehead.plan.audit import Cell
from triplehead.plan.schema import Exhibit

HALF = 0.05 + 1e-9  # half of the printed digit


@dataclass(frozen=True)
class Outcome:
    """Whether the paper's statement holds, and the computation in a line."""

    holds: bool
    text: str


def printed(cell: Cell, exhibits: dict[str, Exhibit]) -> float | int:
    """The published number of (exhibit, row, metric); plan/ has checked that there is one."""
    exhibit, label, metric = cell
    return next(row.published[metric] for row in exhibits[exhibit].rows if row.label == label)


def number(value: float | int) -> str:
    """Counts with thousands separated, others with the one decimal that the paper prints."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}".replace("-", "−")


def table(exhibit: str) -> str:
    """ "table5" -> "Table 5"."""
    return exhibit.replace("table", "Table ")
