"""`triplehead bench`: the figures of one GPU."""

from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from triplehead.cli.app import MORE, app, plan_from
from triplehead.cli.tables import Column, show
from triplehead.devices import own_gpus

FULL = "full"
EXHIBIT = "table3"  # FCOS, Faster R-CNN and Ours
COLUMNS = [
    Column("detector"),
    Column("precision", whole=True),
    Column("step, ms", number=True),
    Column("GB", number=True),
    Column("assignment", number=True),
    Column("crowded", number=True),
    Column("FPS", number=True),
]


@app.command(epilog="Example: triplehead bench --scale smoke --accelerator cpu --repeats 2", rich_help_panel=MORE)
def bench(
    scale: Annotated[str, typer.Option(help="Whose detectors and image size.")] = "paper",
    accelerator: Annotated[
        Literal["gpu", "cpu"], typer.Option(metavar="gpu|cpu", help="cpu: to try the command out, at --scale smoke.")
    ] = "gpu",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images of a step; the schedule's if not given.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Steps and images that are timed.")] = 20,
    warmup: Annotated[int, typer.Option(min=1, help="Calls before that do not count.")] = 5,
) -> None:
    """Measure step time, memory, frames per second and JLA's share of a step, in float32 and bfloat16.

    Writes benchmarks/<hardware>-<date>.json and prints the main figures. Alone on the GPU, or the numbers mean little.
    """
    plan = plan_from([f"scale={scale}"])
    specs = {label: specs[0] for (exhibit, label), specs in plan.specs.items() if exhibit == EXHIBIT}
    if accelerator == "gpu":
        own_gpus(1)

    from triplehead.engine.bench import bench, write_bench

    record = bench(specs, accelerator, batch_size, repeats, warmup)
    console = Console()
    show(console, COLUMNS, map(_cells, record["rows"]), f"{record['hardware']}, medians of {repeats}")
    console.print("assignment: its share of a step, the larger of early and late in training; crowded: with 300 boxes")
    print(write_bench(record))


def _cells(row: dict[str, Any]) -> list[str]:
    named = [escape(row["label"]), row["precision"]]
    if row.get("out_of_memory"):
        return [*named, "", FULL, "", "", ""]
    crowd = row.get("crowd", {})
    crowded = FULL if crowd.get("out_of_memory") else _share(crowd)
    step, memory = f"{1000 * row['step_seconds']['median']:.0f}", row["step_memory"]
    return [*named, step, f"{memory / 1e9:.1f}" if memory else "", _share(row), crowded, f"{row['FPS']:.1f}"]


def _share(row: dict[str, Any]) -> str:
    return f"{max(row['assign_share'].values()):.1%}" if "assign_share" in row else ""
