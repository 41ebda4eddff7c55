"""`triplehead plan`: what would run, and what it costs, before anything is spent."""

import json
import os
from typing import Annotated, Any

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
from triplehead.devices import own_gpus
from triplehead.errors import InputError
from triplehead.footprints import footprints
from triplehead.paths import RESULTS
from triplehead.plan.calibration import read_calibration
from triplehead.plan.cost import Estimate, Footprint, disk_bytes, estimate, summary
from triplehead.plan.plan import Plan

Cores = Annotated[
    int,
    typer.Option(min=1, show_default="all", help="Cores that the runs share, where they compute on the CPU."),
]
Gpus = Annotated[
    int | None,
    typer.Option(
        min=1, show_default="as many as a run asks for", help="GPUs that the runs share, where they compute on those."
    ),
]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Images of a calibrated step, where the schedule's do not fit here.")
]
CalibrateOption = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Time ten steps of each kind of run here first, on a GPU where the scale is for one; "
        "--batch-size 1 does it on the CPU. Writes results/calibration.json.",
    ),
]

ALL_CORES = os.cpu_count() or 1

PowerOption = Annotated[
    bool, typer.Option("--power", help="Instead: the seeds that it takes to see each difference that the paper prints.")
]
SilenceOption = Annotated[
    bool, typer.Option("--silence", help="Instead: the runs that `snakemake silence` adds, one for each open choice.")
]


@app.command(epilog="Example: triplehead plan --scale paper --gpus 8", rich_help_panel=LOOK)
def plan(
    exhibits: Annotated[
        list[str] | None, typer.Argument(help="Tables and figures to plan; all if none is named.")
    ] = None,
    config: ConfigOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
    cores: Cores = ALL_CORES,
    gpus: Gpus = None,
    calibrate: CalibrateOption = False,
    batch_size: BatchSize = None,
    power: PowerOption = False,
    silence: SilenceOption = False,
    extra: ExtraOption = None,
) -> None:
    """Show the runs, who uses each, and what they will cost: time, disk, and how long on so many cores or GPUs."""
    if batch_size is not None and not calibrate:
        raise InputError("--batch-size", "is for --calibrate alone")
    plan = scaled(config, scale, extra)
    if exhibits:
        if power or silence:
            raise InputError("--power" if power else "--silence", f"is about the whole study, not {exhibits[0]} alone")
        plan = plan.only(exhibits)
    if power:
        from triplehead.cli.power import show_power

        show_power(plan, RESULTS, as_json)
        return
    if silence:
        if not plan.extra_runs:
            raise InputError("--silence", "adds no runs: no choice in experiments/silence.yaml departs from its row")
        plan = plan.only_variants()
    if calibrate:
        own_gpus(min(1, plan.scale.gpus_of("train")))

        from triplehead.engine.calibrate import calibrate as measure

        measure(plan, batch_size=batch_size)
    found = estimate(plan, read_calibration())
    on_gpus = found.device == "gpu"
    needed = max(1, plan.scale.gpus_of("train")) if on_gpus else plan.scale.threads
    if on_gpus and gpus is not None and gpus < needed:
        raise InputError("--gpus", f"found {gpus}, expected at least {needed}, which each run asks for")
    shared = gpus or needed if on_gpus else cores
    workers = max(1, shared // needed)
    sizes = footprints(plan)
    disk = disk_bytes(list(sizes.values()))
    if as_json:
        print(json.dumps(_document(plan, found, sizes, workers, disk), indent=1))
    else:
        _print(plan, found, workers, f"{shared} {'GPU' if on_gpus else 'core'}{'s' * (shared > 1)}", disk)


def _document(plan: Plan, found: Estimate, sizes: dict[str, Footprint], workers: int, disk: int) -> dict[str, Any]:
    known = not plan.runs or len(found.unknown) < len(plan.runs)
    more = estimate(plan.only_variants(), read_calibration())
    return {
        "scale": plan.config.scale,
        "cost": {
            "device": found.device,
            "source": found.source,
            "seconds": found.total if known else None,
            "unknown_runs": found.unknown,
            "runs_at_once": _at_once(plan, found, workers),
            "wall_seconds": found.wall(workers) if known else None,
            "disk_bytes": disk,
        },
        "silence": {
            "runs": len(more.runs),
            "seconds": more.total if len(more.unknown) < len(more.runs) else None,
            "unknown_runs": more.unknown,
        },
        "runs": [
            {
                "id": run.id,
                "group": run.spec.group,
                "seed": run.spec.seed,
                "users": [{"exhibit": exhibit, "row": label} for exhibit, label in run.users],
                "seconds": found.runs[run.id],
                "disk_bytes": sizes[run.id].run,
                "spec": run.spec.model_dump(mode="json"),
            }
            for run in plan.runs.values()
        ],
    }


def _print(plan: Plan, found: Estimate, workers: int, machine: str, disk: int) -> None:
    groups: dict[str, list] = {}
    for run in plan.runs.values():
        groups.setdefault(run.spec.group, []).append(run)
    columns = [Column("run (first seed)", whole=True), Column("used by", below=True)]
    for name in ("seeds", f"{found.device.upper()} s a run"):
        columns.append(Column(name, number=True))
    rows = []
    for runs in groups.values():
        # Figures without their labels: most take their rows from tables.
        figures = [exhibit for exhibit, _ in runs[0].users if plan.exhibits[exhibit].kind == "figure"]
        tables = [f"{exhibit}: {label}" for exhibit, label in runs[0].users if exhibit not in figures]
        users = escape(", ".join([*tables, *dict.fromkeys(figures)]))
        seconds = found.runs[runs[0].id]
        rows.append((runs[0].id, users, str(len(runs)), "not measured" if seconds is None else f"{seconds:.0f}"))
    console = Console()
    console.print(scale_line(plan))
    if not plan.runs:
        print("No runs: parameters are counted without any.")
        return
    show(console, columns, rows)
    size = f"{disk / 1e9:.1f} GB" if disk >= 1e9 else f"{disk / 1e6:.0f} MB"
    at_once = _at_once(plan, found, workers)
    first = f"{len(plan.runs)} runs of {len(groups)} specs, {at_once} at once, at most {size} on disk without the data"
    calibrate = plan.command("triplehead plan --calibrate")
    for line in (first, *summary(found, workers, machine, calibrate)):
        console.print(line, soft_wrap=True, markup=False)
    if plan.extra_runs and plan.runs is not plan.extra_runs:
        more = estimate(plan.only_variants(), read_calibration())
        cost = summary(more, workers, machine, calibrate)[0]
        line = f"{plan.command('snakemake silence')} adds {len(more.runs)} runs (--silence): {cost}"
        console.print(line, soft_wrap=True, markup=False)


def _at_once(plan: Plan, found: Estimate, workers: int) -> int:
    """Runs that share a GPU take turns on it: more at once, and no sooner done."""
    return workers * plan.scale.runs_per_gpu if found.device == "gpu" else workers
