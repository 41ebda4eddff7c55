"""Commands about what the paper says: audit, claims."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from triplehead.cli.app import app
from triplehead.cli.inspect import JsonOption

COLOURS = {"agrees": "green", "contradiction": "red", "impossible": "red", "gap": "yellow", "slip": "cyan"}


@app.command()
def audit(
    as_json: JsonOption = False,
    entry: Annotated[str | None, typer.Argument(help="One entry's id, to be shown in full.")] = None,
) -> None:
    """Check the paper's statements against its own tables and equations."""
    from triplehead.analysis.audit import findings
    from triplehead.errors import InputError

    found = findings()
    if entry is not None:
        found = [finding for finding in found if finding.id == entry]
        if not found:
            raise InputError(entry, "no such entry in experiments/audit.yaml")
    if as_json:
        print(json.dumps([finding.document() for finding in found], ensure_ascii=False, indent=1))
        return
    console = Console()
    if entry is not None:
        for name, text in found[0].document().items():
            console.print(f"[bold]{name}[/] {escape(text)}", highlight=False)
        return
    table = Table("outcome", "entry, place in the paper, and what was found", title="The paper against its own numbers")
    for finding in found:
        colour = COLOURS[finding.outcome]
        text = finding.result or finding.what
        place = f"[bold]{finding.id}[/] ({escape(finding.where)})"
        table.add_row(f"[{colour}]{finding.outcome}", f"{place} {escape(text)}")
    console.print(table)
    outcomes = [finding.outcome for finding in found]
    console.print(", ".join(f"{outcomes.count(name)} {name}" for name in COLOURS if name in outcomes))
