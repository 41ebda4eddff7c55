"""`triplehead bench`: the figures of one GPU."""

from typing import Annotated, Literal

import typer

from triplehead.cli.app import MORE, app, plan_from
from triplehead.devices import own_gpus

EXHIBIT = "table3"  # FCOS, Faster R-CNN and Ours


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

    Writes benchmarks/<hardware>-<date>.json. Alone on the GPU, or the numbers mean little.
    """
    plan = plan_from([f"scale={scale}"])
    specs = {label: specs[0] for (exhibit, label), specs in plan.specs.items() if exhibit == EXHIBIT}
    if accelerator == "gpu":
        own_gpus(1)

    from triplehead.engine.bench import bench, write_bench

    print(write_bench(bench(specs, accelerator, batch_size, repeats, warmup)))
