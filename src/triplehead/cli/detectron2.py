"""Commands of the bridge to detectron2; docs/detectron2.md."""

from pathlib import Path
from typing import Annotated

import typer

from triplehead import paths
from triplehead.cli.app import MORE, ConfigOption, app, plan_from
from triplehead.cli.work import ExhibitId, RunId
from triplehead.digests import demand, record
from triplehead.errors import InputError

bridge = typer.Typer(
    help="The bridge to detectron2, where that can be imported.",
    epilog="Example: triplehead detectron2 configs DIR",
    no_args_is_help=True,
)
app.add_typer(bridge, name="detectron2", rich_help_panel=MORE)


@bridge.command(epilog="Example: triplehead detectron2 configs DIR")
def configs(folder: Annotated[Path, typer.Argument(help="Where to.")]) -> None:
    """Write a LazyConfig file for every row of Tables 1, 2, 5, 6, 7 and 8, at the paper scale."""
    from triplehead.detectron2.generate import write_configs

    written = write_configs(folder, paths.EXPERIMENTS)
    print(f"{len(written)} files below {folder}")


@bridge.command(epilog="Example: triplehead detectron2 export RUN model.pth -c scale=smoke")
def export(
    run_id: RunId, out: Annotated[Path, typer.Argument(help="The checkpoint.")], config: ConfigOption = None
) -> None:
    """Write a trained run's weights as a checkpoint of detectron2's own class, where it has one."""
    from triplehead.detectors.build import build_detector
    from triplehead.detectron2.weights import write
    from triplehead.engine import checkpoint

    spec = plan_from(config).run(run_id)
    file = paths.RUNS / run_id / "model.pt"
    demand([file])
    model = build_detector(spec)
    checkpoint.load_weights(model, checkpoint.load(file, spec.id).get("model"), file)
    write(model, out)


@bridge.command(epilog="Example: triplehead detectron2 compare table5 -c scale=smoke")
def compare(exhibit: ExhibitId, config: ConfigOption = None) -> None:
    """Write results/<table>_engines.csv: its rows as either engine measured them, from runs that are done."""
    from triplehead.analysis.engines import write_comparison

    table = write_comparison(plan_from(config), exhibit, paths.RESULTS)
    record(f"engines/{exhibit}", [paths.RESULTS / f"{exhibit}_engines.csv"])
    print(table[["triplehead_mean", "detectron2_mean", "difference", "triplehead_loss", "detectron2_loss"]].to_string())


@bridge.command(epilog="Example: triplehead detectron2 steptime DIR --short 320")
def steptime(
    folder: Annotated[Path, typer.Argument(help="Of photographs, *.jpg.")],
    images: Annotated[int, typer.Option(min=1, help="In a step.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 5,
    short: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Short side, to which photographs are resized; may be repeated. None: 192."),
    ] = None,
) -> None:
    """Time a training step of detectron2's FCOS and RetinaNet beside ours, on photographs: CPU time, one thread.

    Ours twice: in detectron2's layout of memory, and in channels_last, as our own engine trains it."""
    import torch

    from triplehead.data.images import decode
    from triplehead.data.transforms import resize
    from triplehead.detectron2.steptime import BUILD, batch_of, step_times

    torch.set_num_threads(1)
    files = sorted(folder.glob("*.jpg"))[:images]
    if len(files) < images:
        raise InputError(folder, f"holds {len(files)} photographs (*.jpg), expected {images}")
    boxes = torch.tensor([[20.0, 20.0, 120.0, 150.0], [60.0, 10.0, 100.0, 60.0]])
    for side in short or [192]:
        pictures = [resize(decode(file), torch.zeros(0, 4), side, 2 * side)[0].flip(0) for file in files]
        for kind in BUILD:
            for name, found in step_times(kind, batch_of(pictures, boxes * side / 192), repeats).items():
                low, middle, high = found.ratio
                print(f"{kind} at {side}, {name}: {found.seconds:.3f} s, {middle:.2f} ({low:.2f} to {high:.2f})")
