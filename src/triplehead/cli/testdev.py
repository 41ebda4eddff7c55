"""Commands around COCO's evaluation server: what goes up, what comes back."""

from pathlib import Path
from typing import Annotated

import typer

from triplehead import paths
from triplehead.cli.app import MORE, ConfigOption, app, plan_from
from triplehead.cli.work import RunId
from triplehead.digests import record
from triplehead.errors import InputError

testdev_app = typer.Typer(
    help="COCO's test-dev, which only its server can score.",
    epilog="Example: triplehead testdev scores RUN stdout.txt -c scale=paper",
    no_args_is_help=True,
)
app.add_typer(testdev_app, name="testdev", rich_help_panel=MORE)


@testdev_app.command("pack", epilog="Example: triplehead testdev pack RUN --out DIR -c scale=paper -c data_root=DIR")
def testdev_pack(
    run_id: RunId,
    out: Annotated[Path, typer.Option("--out", help="Folder for the zip.")],
    config: ConfigOption = None,
    images: Annotated[Path, typer.Option(help="Below data_root.")] = Path("coco/test2017"),
    image_info: Annotated[Path, typer.Option(help="Below data_root.")] = Path(
        "coco/annotations/image_info_test-dev2017.json"
    ),
    algorithm: Annotated[str | None, typer.Option(help="In the file's name; the run's id unless given.")] = None,
) -> None:
    """Run a trained model on test-dev and write the zip to upload."""
    from triplehead.engine.testdev import pack

    plan = plan_from(config)
    spec = plan.run(run_id)
    if plan.config.data_root is None:
        raise InputError("data_root", "is not set, expected the folder that holds test-dev's images")
    root = Path(plan.config.data_root)
    path = pack(
        spec, paths.DATA / spec.data_id, paths.RUNS / run_id, root / images, root / image_info, out, algorithm,
        accelerator=plan.scale.accelerator, num_workers=plan.scale.num_workers,
    )  # fmt: skip
    print(path)


@testdev_app.command("scores", epilog="Example: triplehead testdev scores RUN stdout.txt -c scale=paper")
def testdev_scores(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(help="What the server printed, or a JSON object of its scores.")],
    config: ConfigOption = None,
) -> None:
    """Take the server's scores of a run (stdout.txt, or JSON) into its folder; the next table prints them."""
    from triplehead.engine.server_scores import store

    plan = plan_from(config)
    spec = plan.run(run_id)
    store(file, spec, paths.DATA / spec.data_id, paths.RUNS / run_id)
    record(f"testdev/{run_id}", [paths.RUNS / run_id / paths.TESTDEV], paths.RUNS.parent)
