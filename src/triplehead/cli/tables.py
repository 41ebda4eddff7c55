"""Tables of the terminal: nothing is cut, however narrow it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

LEAST = 16  # characters that a column of words is left with
WIDEST_WORD = 28  # that is kept whole: longer ones are broken before anything is stacked for them


@dataclass(frozen=True)
class Column:
    """number: set to the right. whole: its cells are not broken, nor are numbers. below: where all columns do not fit,
    its cells go below those of the column before it; the last one first."""

    name: str
    number: bool = False
    whole: bool = False
    below: bool = False


def show(console: Console, columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print rows of cells, which may carry markup, in no more than the console's width."""
    cells = [[Text.from_markup(cell, emoji=False) for cell in row] for row in rows]
    heads = [[Text(column.name)] for column in columns]
    stacks = [[index] for index in range(len(columns))]
    while _margins(stacks) + sum(_needed(columns, heads, cells, stack)[0] for stack in stacks) > console.width:
        last = next((at for at in reversed(range(1, len(stacks))) if columns[stacks[at][0]].below), None)
        if last is None:
            break
        stacks[last - 1 : last + 1] = [stacks[last - 1] + stacks[last]]
    needed = [_needed(columns, heads, cells, stack) for stack in stacks]
    table = Table(title=title, show_lines=len(stacks) < len(columns))
    for stack, (_, most), width in zip(stacks, needed, _shared(needed, console.width - _margins(stacks)), strict=True):
        justify: JustifyMethod = "right" if columns[stack[0]].number else "left"
        names = "\n".join(columns[index].name for index in stack)
        table.add_column(names, justify=justify, overflow="fold", width=width, no_wrap=width >= most)
    for row in cells:
        table.add_row(*(Text("\n").join(row[index] for index in stack if row[index].plain) for stack in stacks))
    console.print(table)


def _needed(columns: Sequence[Column], heads: list, cells: list, stack: list[int]) -> tuple[int, int]:
    """Characters that a column takes at least, and at most."""
    least = most = 1
    for index in stack:
        texts = [*heads[index], *(row[index] for row in cells)]
        whole = max(text.cell_len for text in texts)
        words = max((len(word) for text in texts for word in text.plain.split()), default=1)
        unbroken = columns[index].number or columns[index].whole
        least = max(least, whole if unbroken else min(whole, max(LEAST, min(words, WIDEST_WORD))))
        most = max(most, whole)
    return least, most


def _shared(needed: list[tuple[int, int]], width: int) -> list[int]:
    """What each column gets of `width`: all that it can use, or else the widest give way, down to what they need."""
    widths = [most for _, most in needed]
    while sum(widths) > width:
        wide = [index for index, (least, _) in enumerate(needed) if widths[index] > least] or range(len(widths))
        widest = max(wide, key=widths.__getitem__)
        if widths[widest] == 1:
            break
        widths[widest] -= 1
    return widths


def _margins(stacks: list[list[int]]) -> int:
    return 3 * len(stacks) + 1
