"""`triplehead status`: what is done, at work, failed and left."""

import json
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

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
from triplehead.plan.cost import amount
from triplehead.status import PreparationStatus, RunStatus, Status, count, status

COLOURS = {"complete": "green", "waiting": "dim", "to be written": "yellow"}
SHOWN = 12  # running and failed jobs; --json has all
AnyStatus = RunStatus | PreparationStatus


@app.command("status", epilog="Example: triplehead status -c scale=smoke", rich_help_panel=LOOK)
def status_command(
    config: ConfigOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    cores: Annotated[
        int | None, typer.Option(min=1, help="That the runs will share, where none is at work; all if not given.")
    ] = None,
    extra: ExtraOption = None,
) -> None:
    """Say which tables are complete, which runs are done, running, failed and left, and for how long.

    Works while Snakemake does.
    """
    plan = scaled(config, scale, extra)
    found = status(plan, cores=cores)
    if as_json:
        print(json.dumps(found.document(), ensure_ascii=False, indent=1))
        return
    console = Console()
    console.print(scale_line(plan))
    _print(found, console)


def _print(found: Status, console: Console) -> None:
    columns = [
        Column("exhibit", whole=True),
        Column("title", below=True),
        Column("runs", number=True),
        Column("state", whole=True),
    ]
    rows = []
    for each in found.exhibits:
        runs = f"{each.done}/{each.runs}" if each.runs else ""
        rows.append((each.name, escape(each.title), runs, f"[{COLOURS[each.state]}]{each.state}"))
    show(console, columns, rows)
    jobs: list[AnyStatus] = [*found.preparation, *found.runs]
    _list(console, "running", [each for each in jobs if each.state == "running"], _progress)
    _list(console, "failed", [each for each in jobs if each.state == "failed"], _failure)
    for name, some in (("data sets and backbones", found.preparation), ("runs", found.runs)):
        counts = ", ".join(f"{n} {state}" for state, n in count(some).items())
        console.print(f"{len(some)} {name}: {counts}")
    if found.to_write:
        working = f" (at work: {', '.join(found.at_work)})" if found.at_work else ""
        console.print(f"to be written: {', '.join(found.to_write)}{escape(working)}", highlight=False)
    if found.seconds_left:
        end = datetime.now() + timedelta(seconds=found.seconds_left)
        at_once = f"{found.workers} at once, until {end:%d %b %H:%M}"
        console.print(f"about {amount(found.seconds_left)} of training left, {at_once}", highlight=False)
    elif found.seconds_left is None:
        console.print("time left: not known before a run is finished")


def _list(console: Console, heading: str, runs: list[AnyStatus], text) -> None:
    if runs:
        console.print(f"[bold]{heading}[/]")
    for run in runs[:SHOWN]:
        console.print(text(run), highlight=False, markup=False)
    if len(runs) > SHOWN:
        console.print(f"  and {len(runs) - SHOWN} more: --json has all")


def _progress(run: AnyStatus) -> str:
    if isinstance(run, PreparationStatus):
        return f"  {run.label}"
    step = "at its start" if run.step is None else f"{run.step}/{run.steps}"
    left = "" if run.seconds_left is None else f", {run.seconds_left:.0f} s left"
    return f"  {run.label}: {step}{left}"


def _failure(run: AnyStatus) -> str:
    lines = [f"  {run.label}", *(f"    {line}" for line in run.last_lines[-3:]), f"    whole log: {run.log}"]
    return "\n".join(lines)
