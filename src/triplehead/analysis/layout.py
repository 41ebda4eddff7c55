"""How a table is laid out, whatever it is printed with: left columns, number pairs, caption, notes."""

from dataclasses import dataclass

import pandas as pd

from triplehead.analysis.captions import caption, definitions
from triplehead.analysis.intervals import shown
from triplehead.analysis.notes import band_notes, published_ratios, row_notes
from triplehead.analysis.printing import DIGITS, Left, number
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Exhibit, Row

IN_FORCE = "K in force"
CITED = "Cited by the paper; not run here."


@dataclass(frozen=True)
class Cell:
    """One number twice: as the paper prints it, and as measured here. None where there is none."""

    published: float | int | None
    mean: float | int | None
    std: float | None
    n: int
    low: float | None = None
    high: float | None = None
    status: str = ""
    digits: int = 1
    best_published: bool = False
    best_measured: bool = False
    diverged: str = ""

    @property
    def measured(self) -> str:
        """The measured number as it is printed, or why there is none."""
        return "diverged" if self.diverged else number(self.mean, self.digits)

    @property
    def below(self) -> str:
        """What stands below the measured number: its 95% interval, and how it lies to the group's band."""
        interval = "" if self.low is None else f"[{number(self.low, self.digits)}, {number(self.high, self.digits)}]"
        return f"{interval} {self.status}".strip()


@dataclass(frozen=True)
class Line:
    """A row of a table as it is printed; group: the heading that it stands below."""

    label: str
    group: str | None
    left: tuple[Left, ...]
    cells: tuple[Cell, ...]
    note: str | None  # letter of its footnote

    @property
    def has_below(self) -> bool:
        """Whether anything stands below its measured numbers, so that it takes two lines."""
        return any(cell.below for cell in self.cells)

    @property
    def marked(self) -> int:
        """Index of the left cell that carries the footnote's letter: the last that is not empty."""
        return max((i for i, value in enumerate(self.left) if value not in ("", False)), default=0)


@dataclass(frozen=True)
class TableLayout:
    """A table before it is LaTeX, Typst or HTML."""

    name: str  # table5
    title: str
    kind: str
    transposed: bool
    left: tuple[str, ...]  # headings of the left columns
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]
    caption: tuple[str, ...]  # sentences: what the two sides are
    definitions: tuple[str, ...]  # sentences: how to read the numbers, mostly the same for all tables
    notes: tuple[tuple[str, str], ...]  # (letter or nothing, text)
    own: bool = False  # a table of the user's, not the paper's

    @property
    def heading(self) -> str:
        """For example Table 5; of the user's own: Yours (mine)."""
        return f"Yours ({self.name})" if self.own else f"Table {self.name.removeprefix('table')}"

    @property
    def has_std(self) -> bool:
        return any(cell.std is not None for line in self.lines for cell in line.cells)


def table_layout(plan: Plan, exhibit: str, frame: pd.DataFrame, how: tuple[str, ...] = ()) -> TableLayout:
    """Lay out `frame` (from `table_frame` or `read_csv`) like the paper's table.

    how: sentences for the caption on how it was measured, which the frame does not tell (speed).
    """
    table = plan.exhibits[exhibit]
    left = _left_columns(plan, exhibit)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    marks = {row.label: next(letters) for row in table.rows if row.note}
    best = _best(table, frame, measured=plan.scale.meaningful)
    notes = [
        (marks[row.label], f"{row.note} {CITED}" if row.spec is None else row.note) for row in table.rows if row.note
    ]
    if cited := [row.label for row in table.rows if row.spec is None and not row.note]:
        letter = next(letters)
        marks |= dict.fromkeys(cited, letter)
        notes.append((letter, CITED))
    lines = []
    for index, row in enumerate(table.rows):
        cells = tuple(_cell(frame, index, metric, best) for metric in table.metrics)
        values = tuple(_left_value(plan, exhibit, row, column) for column in left)
        lines.append(Line(row.label, row.group, values, cells, marks.get(row.label)))
    notes += [("", text) for text in row_notes(plan, exhibit, frame)]
    if ratios := published_ratios(table):
        notes.append(("", ratios))
    if IN_FORCE in left:
        share = next(iter(_shares(plan, exhibit)))
        notes.append(("", f"{IN_FORCE}: the paper's K times {share:g}, the same share of an object's points."))
    notes += [("", text) for text in band_notes(frame)]
    return TableLayout(
        exhibit, table.title, table.kind, table.transposed, left, table.metrics, tuple(lines),
        caption(plan, exhibit, frame, how), definitions(plan, exhibit, frame), tuple(notes), exhibit in plan.own,
    )  # fmt: skip


def _left_columns(plan: Plan, exhibit: str) -> tuple[str, ...]:
    columns = plan.exhibits[exhibit].columns
    if not columns:
        return ("Model",)
    if "K" in columns and _shares(plan, exhibit):
        place = columns.index("K") + 1
        return (*columns[:place], IN_FORCE, *columns[place:])
    return columns


def _shares(plan: Plan, exhibit: str) -> set[float]:
    """The factors on K, where it is not the paper's own."""
    assigners = [_jla(plan, exhibit, row) for row in plan.exhibits[exhibit].rows]
    return {assigner.k_share for assigner in assigners if assigner is not None and assigner.k_share != 1}


def _jla(plan: Plan, exhibit: str, row: Row):
    specs = plan.specs.get((exhibit, row.label))
    assigner = getattr(specs[0].detector, "assigner", None) if specs else None
    return assigner if assigner is not None and assigner.name == "jla" else None


def _left_value(plan: Plan, exhibit: str, row: Row, column: str) -> Left:
    if not plan.exhibits[exhibit].columns:
        return row.label
    if column == IN_FORCE:
        assigner = _jla(plan, exhibit, row)
        return "" if assigner is None else assigner.k_in_force
    return row.ticks.get(column, "")


def _cell(frame: pd.DataFrame, index: int, metric: str, best: dict[tuple[str, str], str]) -> Cell:
    record = frame[(frame["row"] == index) & (frame["metric"] == metric)].iloc[0]
    names = ("published", "mean", "std", "low", "high")
    published, mean, std, low, high = (None if pd.isna(record[name]) else record[name] for name in names)
    low, high = shown(low, high, metric) or (None, None)
    return Cell(
        published, mean, std, int(record["n"]), low, high, record["status"], DIGITS.get(metric, 1),
        best_published=published is not None and number(published) == best.get((metric, "published")),
        best_measured=mean is not None and number(mean) == best.get((metric, "mean")),
        diverged=record["diverged"],
    )  # fmt: skip


def _best(table: Exhibit, frame: pd.DataFrame, measured: bool) -> dict[tuple[str, str], str]:
    """The highest value of each column, as printed: ties in print are ties."""
    if table.kind != "scores":
        return {}
    best = {}
    for metric in table.metrics:
        for side in ("published", "mean") if measured else ("published",):
            values = frame.loc[frame["metric"] == metric, side].dropna()
            if len(values) > 1:
                best[metric, side] = number(values.max())
    return best
