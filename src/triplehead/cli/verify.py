"""The command that holds what lies below results/ against what was made, and what was measured against its bands."""

import json
import math
import os
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from triplehead import paths
from triplehead.cli.app import (
    LOOK,
    ConfigOption,
    ExtraOption,
    JsonOption,
    ScaleOption,
    app,
    scale_line,
    scaled,
)
from triplehead.cli.tables import Column, show
from triplehead.digests import Altered, altered, asked_of, made_by
from triplehead.errors import InputError
from triplehead.plan.plan import Plan

if TYPE_CHECKING:
    from triplehead.analysis.acceptance import Judged

FAILS = ("outside", "missing")


@app.command(epilog="Example: triplehead verify table4", rich_help_panel=LOOK)
def verify(
    exhibits: Annotated[list[str] | None, typer.Argument(help="Tables to look at; all if none is named.")] = None,
    config: ConfigOption = None,
    scale: ScaleOption = None,
    extra: ExtraOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold results against what their runs made, and the rows that carry a band (`accept`) against it.

    Status 1 if a file was edited or damaged since, or if a row lies outside its band or was not measured. A row with
    fewer seeds than its band asks for is reported, and decides nothing.
    """
    from triplehead.analysis.acceptance import judged
    from triplehead.tracking import store

    plan = scaled(config, scale, extra)
    for name in exhibits or ():
        if name not in plan.exhibits:
            raise InputError(name, f"no such exhibit; allowed: {', '.join(plan.exhibits)}")
    cells = list(judged(plan, paths.RESULTS, tuple(exhibits or ())))
    edited, known = altered(paths.RESULTS, made_by(plan), asked_of(plan))
    address = store.uri(plan.config)
    if problem := store.problem_of(address):
        edited.append(Altered(os.path.relpath(address.removeprefix(store.SQLITE)), problem))
    counts = Counter(each.status for each in cells)
    passed = not edited and not any(each.status in FAILS for each in cells)
    bare = _bare(plan, exhibits, cells)
    if as_json:
        document = {
            "scale": plan.config.scale,
            "passed": passed,
            "files": {"known": known, "altered": [asdict(each) for each in edited]},
            "counts": dict(counts),
            "cells": [_cell(each) for each in cells],
            "not_verified": bare,
        }
        print(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        console = Console()
        console.print(scale_line(plan))
        _print_files(console, edited, known)
        _print_cells(console, plan.config.scale, cells)
        _print_bare(console, plan.config.scale, cells, bare)
    if not passed:
        raise typer.Exit(1)


def _cell(each: "Judged") -> dict[str, Any]:
    """A cell with its band and verdict, for a script; what is no number is none."""
    found = each.measured
    value = found.value if found.value is not None and math.isfinite(found.value) else None
    return {
        "exhibit": each.exhibit, "row": each.label, "metric": each.metric,
        "expected": each.reference, "tolerance": each.tolerance,
        "measured": value, "low": found.low, "high": found.high, "n": found.n, "status": each.status,
    }  # fmt: skip


def _print_files(console: Console, edited: list[Altered], known: int) -> None:
    for each in edited:
        console.print(f"[red]{escape(each.file)}[/] {escape(each.problem)}", soft_wrap=True)
    if known and not edited:
        console.print(f"{known} files are what their runs made.")


def _print_cells(console: Console, scale: str, cells: list["Judged"]) -> None:
    from triplehead.analysis.intervals import shown
    from triplehead.analysis.printing import number

    if not cells:
        console.print(f"No row carries a band at scale {scale}: nothing to verify.")
        return
    columns = [Column("cell"), Column("expected", number=True), Column("measured", number=True),
               Column("95% interval", number=True, below=True), Column("n", number=True),
               Column("status", whole=True)]  # fmt: skip
    rows = []
    for each in cells:
        found, digits = each.measured, 0 if each.metric == "parameters" else 2
        ends = shown(found.low, found.high, each.metric)
        row = (
            escape(f"{each.exhibit}: {each.label}, {each.metric}"),
            f"{each.reference:,.{digits}f} ± {each.tolerance:,.{digits}f}",
            number(found.value, digits),
            "" if ends is None else f"\\[{ends[0]:.2f}, {ends[1]:.2f}]",
            str(found.n), each.status,
        )  # fmt: skip
        rows.append(row)
    show(console, columns, rows, title="Acceptance")
    counts = Counter(each.status for each in cells)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()))


def _bare(plan: Plan, exhibits: list[str] | None, cells: list["Judged"]) -> list[str]:
    """The tables that were asked for of which no row carries a band."""
    from triplehead.analysis.tables import TABLES

    banded = {each.exhibit for each in cells}
    tables = [name for name in exhibits or plan.exhibits if plan.exhibits[name].kind in TABLES]
    return [name for name in tables if name not in banded]


def _print_bare(console: Console, scale: str, cells: list["Judged"], bare: list[str]) -> None:
    """Which of the tables that were asked for have bands, how many, and which have none."""
    if banded := Counter(each.exhibit for each in cells):
        held = ", ".join(f"{name} ({number} {'cell' if number == 1 else 'cells'})" for name, number in banded.items())
        console.print(f"With bands: {held}.", highlight=False)
    if bare:
        console.print(
            f"Not verified, since no row carries a band at scale {scale}: {', '.join(bare)}. "
            "A group states its own with `accept` (docs/statistics.md).",
            highlight=False,
        )
