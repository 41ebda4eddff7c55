"""The command that holds what lies below results/ against what was made, and what was measured against its bands."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from triplehead import paths
from triplehead.cli.app import ConfigOption, ExtraOption, app, plan_from, with_extra
from triplehead.digests import altered
from triplehead.errors import InputError
from triplehead.plan.plan import Plan

FAILS = ("outside", "missing")


@app.command()
def verify(
    exhibits: Annotated[list[str] | None, typer.Argument(help="Tables to look at; all if none is named.")] = None,
    config: ConfigOption = None,
    extra: ExtraOption = None,
) -> None:
    """Hold results against what their runs made, and the rows that carry a band (`accept`) against it; status 1 if a
    file was edited or damaged since, or if a row lies outside its band or was not measured.

    A row with fewer seeds than its band asks for is reported, and decides nothing.
    """
    from triplehead.analysis.acceptance import judged
    from triplehead.analysis.intervals import shown
    from triplehead.analysis.layout import number

    plan = plan_from(with_extra(config, extra))
    for name in exhibits or ():
        if name not in plan.exhibits:
            raise InputError(name, f"no such exhibit; allowed: {', '.join(plan.exhibits)}")
    cells = list(judged(plan, paths.RESULTS, tuple(exhibits or ())))
    console = Console()
    edited, known = altered(paths.RESULTS)
    for file in edited:
        console.print(f"[red]{escape(file.file)}[/] {escape(file.problem)}", soft_wrap=True)
    if known and not edited:
        console.print(f"{known} files are what their runs made.")
    if not cells:
        console.print(f"No row carries a band at scale {plan.config.scale}: nothing to verify.")
        _bare(console, plan, exhibits, {})
        if edited:
            raise typer.Exit(1)
        return
    table = Table(title=f"Acceptance at scale {plan.config.scale}")
    table.add_column("cell")
    for name in ("expected", "measured", "95% interval", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for each in cells:
        found, digits = each.measured, 0 if each.metric == "parameters" else 2
        ends = shown(found.low, found.high, each.metric)
        table.add_row(
            f"{each.exhibit}: {each.label}, {each.metric}",
            f"{each.reference:,.{digits}f} ± {each.tolerance:,.{digits}f}",
            number(found.value, digits),
            "" if ends is None else f"\\[{ends[0]:.2f}, {ends[1]:.2f}]",
            str(found.n), each.status,
        )  # fmt: skip
    console.print(table)
    counts = Counter(each.status for each in cells)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()))
    _bare(console, plan, exhibits, Counter(each.exhibit for each in cells))
    if edited or any(each.status in FAILS for each in cells):
        raise typer.Exit(1)


def _bare(console: Console, plan: Plan, exhibits: list[str] | None, banded: Mapping[str, int]) -> None:
    """Print which of the tables that were asked for have bands, how many, and which have none."""
    from triplehead.analysis.tables import TABLES

    tables = [name for name in exhibits or plan.exhibits if plan.exhibits[name].kind in TABLES]
    if banded:
        held = ", ".join(f"{name} ({number} {'cell' if number == 1 else 'cells'})" for name, number in banded.items())
        console.print(f"With bands: {held}.", highlight=False, soft_wrap=True)
    if bare := [name for name in tables if name not in banded]:
        console.print(
            f"Not verified, since no row carries a band at scale {plan.config.scale}: {', '.join(bare)}. "
            "A group states its own with `accept` (docs/statistics.md).",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
