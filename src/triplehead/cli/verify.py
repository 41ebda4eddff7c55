"""The command that holds what lies below results/ against what was made, and what was measured against its bands."""

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from triplehead import paths
from triplehead.cli.app import ConfigOption, ExtraOption, app, plan_from, with_extra
from triplehead.digests import altered
from triplehead.errors import InputError

FAILS = ("outside", "missing")


@app.command(epilog="Example: triplehead verify table4")
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
    from triplehead.analysis.layout import number

    plan = plan_from(with_extra(config, extra))
    for name in exhibits or ():
        if name not in plan.exhibits:
            raise InputError(name, f"no such exhibit; allowed: {', '.join(plan.exhibits)}")
    cells = list(judged(plan, paths.RESULTS, tuple(exhibits or ())))
    console = Console()
    edited, known = altered(paths.RESULTS)
    for each in edited:
        console.print(f"[red]{escape(each.file)}[/] {escape(each.problem)}", soft_wrap=True)
    if known and not edited:
        console.print(f"{known} files are what their runs made.")
    if not cells:
        console.print(f"No row carries a band at scale {plan.config.scale}: nothing to verify.")
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
        table.add_row(
            f"{each.exhibit}: {each.label}, {each.metric}",
            f"{each.reference:,.{digits}f} ± {each.tolerance:,.{digits}f}",
            number(found.value, digits),
            "" if found.low is None else f"\\[{found.low:.2f}, {found.high:.2f}]",
            str(found.n), each.status,
        )  # fmt: skip
    console.print(table)
    counts = Counter(each.status for each in cells)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()))
    if edited or any(counts[status] for status in FAILS):
        raise typer.Exit(1)
