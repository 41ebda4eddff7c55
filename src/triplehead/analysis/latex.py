"""The tables in LaTeX (booktabs), in the paper's layout with paper and measured side by side."""

import re

import pandas as pd

from triplehead.analysis.layout import Cell, Line, TableLayout, table_layout
from triplehead.analysis.printing import Left, metric_parts, number, plain
from triplehead.plan.plan import Plan

SPECIALS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "θ": r"$\theta$",
    "α": r"$\alpha$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
} | {mark: rf"\{mark}" for mark in "{}$&#%_"}


def table_tex(plan: Plan, exhibit: str, frame: pd.DataFrame, how: tuple[str, ...] = ()) -> str:
    """A table environment for `frame` (from `table_frame` or `read_csv`). Needs booktabs and amssymb.

    how: sentences for the caption, as in `table_layout`.
    """
    layout = table_layout(plan, exhibit, frame, how)
    body = _transposed(layout) if layout.transposed else _upright(layout)
    notes = [rf"\par\smallskip\footnotesize {_mark(letter)}{escape(text)}" for letter, text in layout.notes]
    lines = [
        rf"% {layout.name}, made by the project: needs \usepackage{{booktabs,amssymb}}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(' '.join([*layout.caption, *layout.definitions]))}}}",
        rf"\label{{tab:{layout.name}}}",
        *body,
        *notes,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Plain text as LaTeX."""
    return re.sub("|".join(map(re.escape, SPECIALS)), lambda match: SPECIALS[match[0]], text)


def _upright(layout: TableLayout) -> list[str]:
    left, pairs = len(layout.left), len(layout.metrics)
    columns = ("l" if layout.left == ("Model",) else "c") * left + "rr" * pairs
    heads = [rf"\multicolumn{{2}}{{c}}{{{_metric(metric)}}}" for metric in layout.metrics]
    rules = [rf"\cmidrule(lr){{{left + 2 * i + 1}-{left + 2 * i + 2}}}" for i in range(pairs)]
    rows = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row([""] * left + heads),
        "".join(rules),
        _row([escape(name) for name in layout.left] + ["paper", "measured"] * pairs),
        r"\midrule",
    ]
    group = None
    for line in layout.lines:
        if line.group and line.group != group:
            rows.append(rf"\multicolumn{{{left + 2 * pairs}}}{{l}}{{\textit{{{escape(line.group)}}}}} \\")
        group = line.group
        rows.append(_row(_left(line) + [part for cell in line.cells for part in _pair(cell)]))
        if line.has_below:
            rows.append(_row([""] * left + [rf"\multicolumn{{2}}{{r}}{{{_below(cell)}}}" for cell in line.cells]))
    return [*rows, r"\bottomrule", r"\end{tabular}"]


def _transposed(layout: TableLayout) -> list[str]:
    rows = [
        rf"\begin{{tabular}}{{ll{'r' * len(layout.lines)}}}",
        r"\toprule",
        _row([escape(layout.left[0]), "", *(escape(line.label) + _mark(line.note) for line in layout.lines)]),
        r"\midrule",
    ]
    for index, metric in enumerate(layout.metrics):
        pairs = [_pair(line.cells[index]) for line in layout.lines]
        for side, name in enumerate(("paper", "measured")):
            head = _metric(metric) if side == 0 else ""
            rows.append(_row([head, name, *(pair[side] for pair in pairs)]))
        if any(line.cells[index].below for line in layout.lines):
            rows.append(_row(["", "", *(_below(line.cells[index]) for line in layout.lines)]))
    return [*rows, r"\bottomrule", r"\end{tabular}"]


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _left(line: Line) -> list[str]:
    cells = [_value(value) for value in line.left]
    cells[line.marked] += _mark(line.note)
    return cells


def _value(value: Left) -> str:
    if isinstance(value, bool):
        return r"\checkmark" if value else ""
    return escape(plain(value))


def _pair(cell: Cell) -> tuple[str, str]:
    published, measured = number(cell.published, cell.digits), cell.measured
    if measured and cell.best_measured:
        measured = rf"\textbf{{{measured}}}"
    if cell.std is not None:
        measured += rf" $\pm$ {number(cell.std, cell.digits)}"
    return (rf"\textbf{{{published}}}" if cell.best_published else published), measured


def _below(cell: Cell) -> str:
    return rf"\scriptsize {cell.below}" if cell.below else ""


def _metric(metric: str) -> str:
    name, index = metric_parts(metric)
    return f"{name}$_{{{index}}}$" if index else name


def _mark(letter: str | None) -> str:
    return rf"$^{{{letter}}}$" if letter else ""
