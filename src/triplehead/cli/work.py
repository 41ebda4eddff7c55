"""Commands that make files: what the Snakemake rules call."""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from triplehead import paths
from triplehead.cli.app import JOBS, MORE, ConfigOption, app, plan_from, writing
from triplehead.devices import own_gpus
from triplehead.digests import asked_of, demand, forget, record, unaltered
from triplehead.engine.launch import launched, rank
from triplehead.errors import InputError
from triplehead.jobs import handed_down
from triplehead.locking import exclusive
from triplehead.plan.plan import Plan
from triplehead.scratch import let_go

track_app = typer.Typer(
    help="MLflow: a view of the files under results/.",
    epilog="Example: triplehead track rebuild",
    no_args_is_help=True,
)
app.add_typer(track_app, name="track", rich_help_panel=JOBS)

RunId = Annotated[str, typer.Argument(help="A run's id; `triplehead plan` lists them.")]
ExhibitId = Annotated[str, typer.Argument(help="A table or figure: a file below experiments/, without its ending.")]


@app.command(epilog="Example: triplehead pretrain BACKBONE -c scale=smoke", rich_help_panel=JOBS)
def pretrain(
    pretrained_id: Annotated[str, typer.Argument(help="The name that its file has below results/pretrained/.")],
    config: ConfigOption = None,
) -> None:
    """Make what backbones start from: ImageNet weights from the user's file, or a backbone trained on object crops."""
    from triplehead.engine.imagenet import import_weights
    from triplehead.engine.pretrain import pretrain
    from triplehead.plan.options import ResNet

    plan = plan_from(config)
    if pretrained_id not in plan.pretrained:
        raise InputError(pretrained_id, f"no such backbone at scale {plan.config.scale}")
    spec = plan.pretrained[pretrained_id]
    out = paths.PRETRAINED / f"{pretrained_id}.pt"
    with exclusive(pretrained_id):
        if isinstance(backbone := spec.detector.backbone, ResNet):
            import_weights(backbone, plan.weights_root, out, pretrained_id, plan.config.download_weights)
        else:
            pretrain(spec, paths.DATA / spec.data_id, out)
        record(f"pretrain/{pretrained_id}", [out])


@app.command(epilog="Example: triplehead train RUN -c scale=smoke", rich_help_panel=JOBS)
def train(run_id: RunId, config: ConfigOption = None) -> None:
    """Train one run, from its last checkpoint if it was interrupted, and evaluate it.

    A run that diverges is a result too, status 0: its cells say so, and the rest of the study goes on.
    """
    plan = plan_from(config)
    spec = plan.run(run_id)
    if rank() == 0:  # the others see what their first process owns
        own_gpus(plan.scale.gpus_of("train"), shared_by=plan.scale.runs_per_gpu)  # before torch looks for one

    from triplehead.engine.divergence import write_diverged
    from triplehead.engine.train import Diverged

    if spec.engine == "detectron2":
        from triplehead.detectron2.evaluate import evaluate
        from triplehead.detectron2.train import train
    else:
        from triplehead.engine.evaluate import evaluate
        from triplehead.engine.train import train
    from triplehead.tracking.run import Tracker
    from triplehead.tracking.store import REBUILD, uri
    from triplehead.tracking.unlogged import Mark

    data, scratch, out = paths.DATA / spec.data_id, paths.SCRATCH / run_id, paths.RUNS / run_id
    if rank() == 0 and not handed_down() and (out / "scores.json").is_file():  # Snakemake takes it away first
        raise InputError(out, "holds this run, trained and scored; delete it to train it anew")
    pretrained = paths.PRETRAINED / f"{spec.pretrained_id}.pt" if spec.pretrained_id else None
    machine: dict[str, Any] = {"accelerator": plan.scale.accelerator, "num_workers": plan.scale.num_workers}
    shared: dict[str, Any] = {"devices": plan.scale.devices, "micro_batch": plan.scale.micro_batch}
    if spec.engine == "detectron2":
        shared = {}  # one process that takes the whole batch: the plan has refused anything else
    if rank() > 0:  # started by the process that holds the lock and tells MLflow
        train(spec, data, out, scratch, Tracker(None, spec, [], out), pretrained, **machine, **shared)
        return
    command = [sys.executable, "-m", "triplehead", *sys.argv[1:]]
    logged = [out / name for name in ("spec.json", "scores.json", "history.csv")]
    forget(f"train/{run_id}")  # another version may make other bytes
    try:
        with (
            exclusive(run_id),
            Tracker(
                uri(plan.config), spec, plan.all_runs[run_id].users, out, plan.command(REBUILD), Mark(run_id)
            ) as tracker,
        ):
            try:
                with launched(plan.scale.devices, command):
                    train(spec, data, out, scratch, tracker, pretrained, **machine, **shared)
            except Diverged as error:
                write_diverged(spec, data, out, error, plan.scale.resampling)
                _record_training(run_id, out)
                tracker.log_environment(json.loads((out / "environment.json").read_text()))
                tracker.log_divergence(str(error), logged)
                raise
            tracker.log_environment(json.loads((out / "environment.json").read_text()))
            # In the same process: starting one and importing torch takes as long as a small evaluation.
            scores = evaluate(spec, data, out, **machine, resampling=plan.scale.resampling)
            _record_training(run_id, out)
            tracker.log_scores(scores, logged)
    except Diverged as error:
        print(f"warning: {error}; its cells will say so", file=sys.stderr, flush=True)


def _record_training(run_id: str, out: Path) -> None:
    """Resamples by themselves: they may be drawn anew."""
    later = (paths.REPLICATES, paths.TESTDEV)
    record(f"train/{run_id}", [file for file in out.iterdir() if file.is_file() and file.name not in later])
    record(f"resample/{run_id}", [out / paths.REPLICATES])


@app.command(epilog="Example: triplehead resample RUN -c scale=smoke", rich_help_panel=JOBS)
def resample(run_id: RunId, config: ConfigOption = None) -> None:
    """Score a trained run under other resamples of its validation images; `train` has done it with the scale's."""
    from triplehead.engine.resample import resample

    plan = plan_from(config)
    spec = plan.run(run_id)
    with exclusive(run_id):
        resample(spec, paths.RUNS / run_id, plan.scale.resampling)
        record(f"resample/{run_id}", [paths.RUNS / run_id / paths.REPLICATES])


@app.command(epilog="Example: triplehead speed table3 -c scale=smoke", rich_help_panel=JOBS)
def speed(
    exhibit: ExhibitId,
    config: ConfigOption = None,
    cores: Annotated[int | None, typer.Option(min=1, help="How many this process may use; all if not given.")] = None,
) -> None:
    """Measure frames per second of an exhibit's detectors; alone on the machine, or the numbers mean little."""
    plan = writing(config)
    specs = {label: specs[0] for (name, label), specs in plan.specs.items() if name == exhibit}
    if exhibit not in plan.exhibits or plan.exhibits[exhibit].kind != "speed":
        known = ", ".join(name for name, declared in plan.exhibits.items() if declared.kind == "speed")
        raise InputError(exhibit, f"no such exhibit of kind speed; allowed: {known}")
    own_gpus(plan.scale.gpus_of("speed"))

    from triplehead.engine.speed import measure_speed, write_speed

    data = paths.DATA / next(iter(specs.values())).data_id
    with exclusive(f"speed-{exhibit}"):
        measured = measure_speed(specs, plan.scale.speed, data, paths.RUNS, cores, plan.scale.accelerator)
        file = paths.RESULTS / "speed" / f"{exhibit}.json"
        write_speed(measured, file)
        record(f"speed/{exhibit}", [file])


@app.command(epilog="Example: triplehead table table5 -c scale=smoke", rich_help_panel=JOBS)
def table(exhibit: ExhibitId, config: ConfigOption = None) -> None:
    """Write results/<table>.csv and .tex from the scores of its runs."""
    from triplehead.analysis.latex import table_tex
    from triplehead.analysis.speed import caption_sentences
    from triplehead.analysis.tables import table_frame, write_csv

    plan = writing(config)
    if exhibit not in plan.exhibits:
        tables = [name for name, each in plan.exhibits.items() if each.kind != "figure"]
        raise InputError(exhibit, f"no such table; allowed: {', '.join(tables)}")
    with exclusive(f"table-{exhibit}"):
        demand(_read_by(plan, exhibit))
        frame = table_frame(plan, exhibit, paths.RUNS)
        write_csv(frame, paths.RESULTS / f"{exhibit}.csv")
        with paths.atomic(paths.RESULTS / f"{exhibit}.tex") as file:
            file.write_text(table_tex(plan, exhibit, frame, caption_sentences(plan, exhibit, paths.RESULTS)))
        let_go(plan.run_ids(exhibit))
        record(f"table/{exhibit}", [paths.RESULTS / f"{exhibit}.{suffix}" for suffix in ("csv", "tex")])


def _read_by(plan: Plan, exhibit: str) -> list[Path]:
    """The files that a table is made from."""
    if plan.exhibits[exhibit].kind == "speed":
        return [paths.RESULTS / "speed" / f"{exhibit}.json"]
    names = ("scores.json", paths.REPLICATES, paths.TESTDEV)
    return [paths.RUNS / run / name for run in plan.run_ids(exhibit) for name in names]


@app.command(epilog="Example: triplehead figure fig4 -c scale=smoke", rich_help_panel=JOBS)
def figure(exhibit: ExhibitId, config: ConfigOption = None) -> None:
    """Draw results/<figure>.pdf and .png from the files of its runs; `overview` from its table."""
    from triplehead.analysis.figures import OVERVIEW_OF, check_figure, inputs, write_figure

    plan = writing(config)
    check_figure(plan, exhibit)
    with exclusive(f"figure-{exhibit}"):
        demand(
            [paths.RESULTS / file for file in inputs(plan, exhibit)]
            if exhibit in plan.exhibits
            else [paths.RESULTS / f"{OVERVIEW_OF}.csv"]
        )
        write_figure(plan, exhibit, paths.RESULTS)
        let_go(plan.run_ids(exhibit) if exhibit in plan.exhibits else ())
        record(f"figure/{exhibit}", [paths.RESULTS / f"{exhibit}.{suffix}" for suffix in paths.FIGURE_SUFFIXES])


@app.command(epilog="Example: triplehead report -c scale=smoke", rich_help_panel=JOBS)
def report(config: ConfigOption = None) -> None:
    """Write the report: reports/report.pdf and, as one page, report.html."""
    from triplehead.report.build import build_report

    plan = writing(config)
    with exclusive("report"):
        build_report(plan, paths.RESULTS, paths.REPORT[0])
        let_go(plan.runs)
        record("report", paths.REPORT)


@app.command(epilog="Example: triplehead recover", rich_help_panel=MORE)
def recover() -> None:
    """Release the lock that a killed Snakemake left; refuses while one is at work here."""
    from triplehead.locking import release_snakemake

    if not release_snakemake(Path.cwd()):
        print("nothing to release: no Snakemake holds a lock here")


@track_app.command("init", epilog="Example: triplehead track init -c scale=smoke")
def track_init(config: ConfigOption = None) -> None:
    """Create the MLflow store before anything logs, and close runs whose process is gone."""
    from triplehead.tracking import rebuild, store

    plan = plan_from(config)
    address = store.uri(plan.config)
    try:
        store.create(address, plan)
        rebuild.sweep(address, plan.command(store.REBUILD))
    except InputError as error:
        if not address.startswith("http"):
            raise
        print(f"warning: {error}; runs go on without it", file=sys.stderr)


def _shown(plan: Plan, runs: Iterable[str]) -> Iterator[Path]:
    """What MLflow is told of: tables, figures, ledger and report, and the files of these runs."""
    from triplehead.tracking.rebuild import ARTIFACTS

    yield from (file for file in asked_of(plan) if not file.is_relative_to(paths.RUNS))
    yield from (paths.RUNS / run / name for run in runs for name in ARTIFACTS)


@track_app.command("tables", epilog="Example: triplehead track tables -c scale=smoke")
def track_tables(config: ConfigOption = None) -> None:
    """Log every table, a run per row with its seeds, the ledger, a run per claim, and the report; and what the store
    missed of finished trainings. Close runs whose process is gone."""
    from triplehead.analysis.claims.ledger import read_csv as read_ledger
    from triplehead.analysis.tables import TABLES, read_table
    from triplehead.tracking.claims import log_claims
    from triplehead.tracking.rebuild import clear, relog, sweep
    from triplehead.tracking.report import log_report
    from triplehead.tracking.store import REBUILD, create, sqlite_file, uri
    from triplehead.tracking.tables import log_exhibit
    from triplehead.tracking.unlogged import ALL, Mark, unlogged

    plan = plan_from(config)
    address = uri(plan.config)
    names = [name for name, declared in plan.exhibits.items() if declared.kind in TABLES]
    tables = {name: read_table(plan, name, paths.RESULTS) for name in names}  # all, before any is logged
    ledger = paths.RESULTS / "claims.csv"
    claims = read_ledger(ledger) if plan.claims.claims else None
    missed = [name for name in unlogged() if name != ALL]
    unaltered(_shown(plan, missed))
    if (database := sqlite_file(address)) is not None and not database.exists():
        create(address, plan)
    mark = Mark(ALL)
    mark.set()
    with exclusive("rebuild"):
        clear(address)
    for run_id in missed:
        with exclusive(run_id):
            if relog(address, plan, paths.RUNS / run_id):
                Mark(run_id).take_away()
    sweep(address, plan.command(REBUILD))
    done = []
    for name, frame in tables.items():
        files = [paths.RESULTS / f"{name}.{suffix}" for suffix in ("csv", "tex")]
        done.append(log_exhibit(address, plan, name, frame, files, paths.RUNS))
    if claims is not None:
        done.append(log_claims(address, plan, claims, ledger))
    done.append(log_report(address, plan, paths.RESULTS))
    if all(done):
        mark.take_away()


@track_app.command("rebuild", epilog="Example: triplehead track rebuild -c scale=smoke")
def track_rebuild(config: ConfigOption = None) -> None:
    """Make the MLflow store anew from the files under results/."""
    from triplehead.analysis.tables import read_table
    from triplehead.tracking.rebuild import rebuild
    from triplehead.tracking.store import uri
    from triplehead.tracking.unlogged import ALL, MARKS, Mark

    plan = plan_from(config)
    names = [name for name in plan.exhibits if (paths.RESULTS / f"{name}.csv").exists()]
    tables = {name: read_table(plan, name, paths.RESULTS) for name in names}
    unaltered(_shown(plan, [folder.name for folder in paths.RUNS.glob("*/")]))
    with exclusive("rebuild"):
        Mark(ALL).set()  # a killed one leaves something behind, which `tracked` then clears away
        rebuild(uri(plan.config), plan, paths.RESULTS, tables)
    shutil.rmtree(MARKS, ignore_errors=True)
