"""Commands about what the paper says: claims, audit, silence."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from triplehead import paths
from triplehead.cli.app import (
    JOBS,
    LOOK,
    ConfigOption,
    ExtraOption,
    JsonOption,
    ScaleOption,
    app,
    scale_line,
    scaled,
    writing,
)
from triplehead.cli.tables import Column, show
from triplehead.digests import demand, record
from triplehead.errors import InputError, nearest
from triplehead.locking import exclusive
from triplehead.plan.hints import command
from triplehead.scratch import let_go

if TYPE_CHECKING:
    from triplehead.analysis.claims.ledger import Judged

VERDICTS = {
    "supported": "green",
    "contradicted": "red",
    "inconclusive": "yellow",
    "too few seeds": "dim",
    "not measured at this scale": "dim",
}
COLOURS = {
    "agrees": "green",
    "contradiction": "red",
    "impossible": "red",
    "implausible": "yellow",
    "gap": "yellow",
    "slip": "cyan",
}


@app.command(epilog="Example: triplehead audit theta-rule", rich_help_panel=LOOK)
def audit(
    as_json: JsonOption = False,
    entry: Annotated[str | None, typer.Argument(help="One entry's id, to be shown in full.")] = None,
) -> None:
    """Check the paper's statements against its own tables and equations."""
    from triplehead.analysis.audit import findings, tally

    found = findings()
    if entry is not None:
        if entry not in (known := [finding.id for finding in found]):
            all_of_them = f"{command('triplehead audit')} has each one's id"
            raise InputError(entry, f"no such entry; {nearest(entry, known)}{all_of_them}")
        found = [finding for finding in found if finding.id == entry]
    if as_json:
        print(json.dumps([finding.document() for finding in found], ensure_ascii=False, indent=1))
        return
    console = Console()
    if entry is not None:
        _in_full(console, found[0].document())
        return
    rows = []
    for finding in found:
        colour = COLOURS[finding.outcome]
        text = finding.result or finding.what
        place = f"[bold]{finding.id}[/] ({escape(finding.where)})"
        quoted = f"[italic]“{escape(finding.sentence)}”[/]\n" if finding.sentence else ""
        rows.append((f"[{colour}]{finding.outcome}", f"{place}\n{quoted}{escape(text)}"))
    columns = (Column("outcome", whole=True), Column("entry, place in the paper, its words, and what was found"))
    show(console, columns, rows, title="The paper against its own numbers")
    console.print(", ".join(f"{number} {name}" for number, name in tally(found)))


@app.command(epilog="Example: triplehead claims jla-gain", rich_help_panel=LOOK)
def claims(
    claim: Annotated[str | None, typer.Argument(help="One claim's id, to be shown in full.")] = None,
    config: ConfigOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    write: Annotated[bool, typer.Option("--write", help="Write results/claims.csv as well.")] = False,
    extra: ExtraOption = None,
) -> None:
    """Judge what the paper claims by what was measured."""
    from triplehead.analysis.claims.inputs import inputs
    from triplehead.analysis.claims.ledger import ledger, write_csv
    from triplehead.analysis.claims.numbers import interval, published, signed
    from triplehead.analysis.claims.verdict import NOT_MEASURED

    plan = (writing if write else scaled)(config, scale, extra)
    if write:
        demand(paths.RESULTS / file for file in inputs(plan))
    entries = ledger(plan, paths.RESULTS)
    if write:
        with exclusive("claims"):
            write_csv(entries, paths.RESULTS / "claims.csv")
            record("claims", [paths.RESULTS / "claims.csv"])
    if claim is not None:
        if claim not in (known := [entry.claim for entry in entries]):
            all_of_them = f"{plan.command('triplehead claims')} has each one's id"
            raise InputError(claim, f"no such claim; {nearest(claim, known)}{all_of_them}")
        entries = [entry for entry in entries if entry.claim == claim]
    if as_json:
        print(json.dumps([entry.document() for entry in entries], ensure_ascii=False, indent=1))
        return
    if claim is not None:
        console = Console()
        console.print(scale_line(plan))
        _in_full(console, entries[0].document())
        return
    columns = [Column("claim"), Column("published", number=True), Column("measured", number=True),
               Column("95% interval", number=True, below=True), Column("over", below=True), Column("n", number=True),
               Column("verdict")]  # fmt: skip
    judged = [entry for entry in entries if entry.verdict != NOT_MEASURED]
    rows = [
        (
            f"{escape(entry.title)} [dim]({entry.section})\n{entry.claim}[/]",
            published(entry.published, entry.unit, entry.kind),
            signed(entry.value, entry.unit),
            escape(interval(entry.low, entry.high, entry.unit)),
            entry.interval_over,
            str(entry.n or ""),
            f"[{VERDICTS[entry.verdict]}]{entry.verdict}[/]",
        )
        for entry in judged
    ]
    console = Console()
    console.print(scale_line(plan))
    if rows:
        show(console, columns, rows, title="What the paper claims, judged by what was measured")
        if not plan.at_paper_scale and any(entry.kind not in ("parameters", "ratio") for entry in judged):
            console.print("Verdicts on scores are about the mechanism on small data, not about COCO.", highlight=False)
        one = plan.command("triplehead claims ID")
        console.print(f"One in full, with its sentence: {one}", highlight=False)
    _print_unmeasured(console, [entry for entry in entries if entry.verdict == NOT_MEASURED])
    found = [entry.verdict for entry in entries]
    console.print(", ".join(f"{found.count(name)} {name}" for name in VERDICTS if name in found))


def _in_full(console: Console, document: dict[str, Any]) -> None:
    """A line for each value that there is, aligned."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in document.items():
        if value not in (None, ""):
            grid.add_row(f"[bold]{name}:[/]", escape(str(value)))
    console.print(grid)


def _print_unmeasured(console: Console, entries: list["Judged"]) -> None:
    """By the reason, which stands first: a claim a line, its id before it."""
    width = max((len(entry.claim) for entry in entries), default=0)
    for reason in dict.fromkeys(entry.says for entry in entries):
        console.print(f"\n{escape(reason)}", highlight=False)
        grid = Table.grid(padding=(0, 0, 0, 2), pad_edge=True)
        grid.add_column(min_width=width, no_wrap=True)
        grid.add_column(overflow="fold")
        for entry in entries:
            if entry.says == reason:
                grid.add_row(entry.claim, f"{escape(entry.title)} [dim]({entry.section})[/]")
        console.print(grid)
    if entries:
        console.print()


@app.command(epilog="Example: triplehead silence -c scale=smoke", rich_help_panel=JOBS)
def silence(config: ConfigOption = None, scale: ScaleOption = None) -> None:
    """Write results/silence.csv, .pdf and .png: what each open choice changes, from the runs of its variants."""
    from triplehead.analysis.silence import effects, read_csv, summary, write_csv
    from triplehead.analysis.silence_figure import write_figure

    plan = writing(config, scale)
    variants = [spec.id for each in plan.variants for spec in (*each.specs, *plan.specs[each.base])]
    demand(paths.RUNS / run / name for run in variants for name in ("scores.json", paths.REPLICATES))
    found = effects(plan, paths.RESULTS)
    with exclusive("silence"):
        write_csv(found, paths.RESULTS / "silence.csv")
        write_figure(plan, found, paths.RESULTS)
        let_go(variants)
        record("silence", [paths.RESULTS / f"silence.{suffix}" for suffix in ("csv", "pdf", "png")])
    print(scale_line(plan))
    print(summary(plan, read_csv(paths.RESULTS / "silence.csv")))
