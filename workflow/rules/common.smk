# The plan, made while the DAG is built: a mistake below experiments/ ends here, in one line.
import hashlib
import math
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from triplehead import paths
from triplehead.analysis import figures
from triplehead.analysis.claims import inputs as claims_inputs
from triplehead.clock import bring_back, check_past
from triplehead.data.fingerprint import fingerprint
from triplehead.data.kept import put_back
from triplehead.digests import gone
from triplehead.errors import InputError
from triplehead.jobs import (
    hand_down,
    name_runs,
    one_of,
    one_of_runs,
    require,
    resampled_after,
)
from triplehead.needs import check_devices, check_folders, left_to_cpu, weights_file
from triplehead.devices import count_gpus
from triplehead.locking import release_snakemake, release_stale
from triplehead.plan.calibration import CALIBRATION
from triplehead.plan.guard import check_scale, remember
from triplehead.plan.datasets import read_dataset
from triplehead.plan.options import LAYOUTS
from triplehead.plan.plan import load_plan, paper_specs
from triplehead.temporary import sweep
from triplehead.termination import end_when_terminated
from triplehead.tracking.store import uri as check_uri
from triplehead.tracking.unlogged import mark_if_gone, unlogged


def stop(error):
    """One line and status 2, as the command line's. In one piece: Snakemake's log is written by another thread."""
    sys.stderr.write(f"error: {error}\n")
    sys.exit(2)


for folder in (Path.cwd(), Path(paths.__file__).parent):
    if set("{}") & set(str(folder)):
        stop(
            f"{folder}: has braces in its path, which Snakemake takes for a wildcard; move it"
        )

try:
    PLAN = load_plan(dict(config))
    check_uri(PLAN.config)
    check_scale(PLAN.config)
    FIGURE_NAMES = figures.figures(PLAN)
except InputError as error:
    stop(error)
except OSError as error:  # a folder that may not be read, a name that is too long
    stop(f"{error.filename}: {error.strerror}")

# Jobs find the user's own experiments wherever they run, and take no scale from what results/ held before.
hand_down(
    dict(config)
    | {"scale": PLAN.config.scale}
    | ({"extra": os.path.abspath(PLAN.config.extra)} if PLAN.config.extra else {})
)
name_runs(PLAN)
TRACKED = "results/mlflow.tables"
# Nothing is put right beside another one that is alive: it refuses this one, or lets it look.
ALONE = False
if workflow.is_main_process:  # not a job on another node
    end_when_terminated()
    if "--unlock" in sys.argv:  # which Snakemake would do beside one that is alive
        try:
            release_snakemake(Path.cwd())
        except InputError as error:
            stop(error)
    ALONE = release_stale(Path.cwd())
if ALONE:
    sweep(workflow)
    with suppress(OSError):  # likewise below
        put_back()
    mark_if_gone(check_uri(PLAN.config))
    if unlogged():
        with suppress(OSError):  # who cannot write there is told so by a job
            Path(TRACKED).unlink(missing_ok=True)

# Not workflow.cores, which raises on a cluster: there it is none.
CORES = workflow.resource_settings.cores
# No more jobs at once than the machine has cores, however many were asked for: they would only slow each other.
THREADS = PLAN.scale.threads * math.ceil((CORES or 1) / os.cpu_count())
STORE = "results/mlflow.ready"
RUN_FILES = paths.RUN_FILES
GONE = list(gone(PLAN.runs))  # by hand: made anew

# Runs whose resamples were made, or are to be, after them: by an older version, or with another `resampling`.
RESAMPLED_AFTER = [
    run
    for run in PLAN.all_runs
    if resampled_after(paths.RUNS / run, PLAN.scale.resampling, remove=ALONE)
]
RESAMPLED_WITHIN = sorted(set(PLAN.all_runs) - set(RESAMPLED_AFTER))

EXHIBITS = [name for name, exhibit in PLAN.exhibits.items() if exhibit.kind != "figure"]
TABLES = [f"results/{name}.{suffix}" for name in EXHIBITS for suffix in ("csv", "tex")]
LEDGER = "results/claims.csv"
AUDIT = [str(file) for file in [paths.EXPERIMENTS / "audit.yaml"] if file.is_file()]
SILENCE = [f"results/silence.{suffix}" for suffix in ("csv", "pdf", "png")]
FIGURES = [
    f"results/{name}.{suffix}"
    for name in [*figures.overviews(PLAN), *FIGURE_NAMES]
    for suffix in paths.FIGURE_SUFFIXES
]
REPORT = [str(file) for file in paths.REPORT]


if PLAN.scale.runs_per_gpu > 1 and CORES is None:
    stop(
        "runs_per_gpu: is for the GPUs of this machine, expected 1 where each job has one of the cluster's"
    )


def asked(job):
    """What a rule's jobs take: of this machine the GPUs are counted, a cluster grants (or refuses) all of it."""
    resources = getattr(PLAN.scale.resources, job)
    shared = job == "train" and PLAN.scale.runs_per_gpu > 1
    return {
        "runtime": resources.runtime,
        "mem_mb": PLAN.scale.mem_mb_of(job),
        "nodes": 1,
        # Shared ones are counted by the jobs themselves (devices.own_gpus): here a job takes whole ones.
        "gpu": 0 if shared else PLAN.scale.gpus_of(job),
        "cpus_per_task": PLAN.scale.cpus_of(job),
    }


@cache
def check_triggers():
    if others := set(map(str, workflow.rerun_triggers)) - {"mtime", "params"}:
        stop(
            f"rerun-triggers: has {', '.join(sorted(others))}, expected mtime and params alone, as in profiles/default: "
            "others train again what has been trained"
        )


def annotations_of(wildcards):
    """The user's annotation files: changed ones are another data set. A target that needs
    data_root, and has none, or one that lacks what must be there, ends before anything runs.
    """
    data, root = PLAN.data[wildcards.data].data, PLAN.config.data_root
    if data.source != "folder":
        return []
    if root is None:
        stop(
            f"data_root: is not set, expected the folder of scale {PLAN.config.scale}'s data sets: data_root=DIR"
        )
    if not PLAN.config.download and not Path(root).is_dir():
        stop(
            f"{root}: no such folder, expected data_root, the folder of scale {PLAN.config.scale}'s data sets"
        )
    made = Path(f"results/data/{wildcards.data}")
    is_made = (made / "manifest.json").is_file() and os.path.realpath(
        made / "root"
    ) == os.path.realpath(root)
    if not PLAN.config.download and not is_made:
        try:
            # A dry run plans for a sample, too.
            complete = PLAN.data_complete and not workflow.dryrun
            check_folders(read_dataset(data.layout), data, Path(root), complete)
        except InputError as error:
            stop(error)
    if PLAN.config.download:
        # Where it has not run: it first, then this anew.
        checkpoints.download.get(layout=data.layout)
    files = [Path(root) / name for name in data.annotations]
    files = [file for file in files if file.is_file()]
    try:
        for file in files:
            check_past(file)
    except InputError as error:
        stop(error)
    return [str(file) for file in files]


def complete_of(wildcards):
    """Digit scenes are what they are."""
    of_user = PLAN.data[wildcards.data].data.source == "folder"
    return PLAN.data_complete if of_user else None


def annotation_folders_of(wildcards):
    """VOC and VisDrone have a file for each image: too many to be inputs one by one. COCO's may be older than what was
    made of others, as an archive dates them.
    """
    data, root = PLAN.data[wildcards.data].data, PLAN.config.data_root
    return fingerprint(data, Path(root)) if data.source == "folder" and root else None


def spec_of(wildcards):
    try:
        return PLAN.run(wildcards.run)
    except InputError as error:
        stop(error)


def data_of(wildcards):
    return f"results/data/{spec_of(wildcards).data_id}/manifest.json"


def pretrained_of(wildcards):
    backbone = spec_of(wildcards).pretrained_id
    return f"results/pretrained/{backbone}.pt" if backbone else []


def unless_trained(file_of):
    """An input that counts until the run has been trained. From then on it is none: where a data set, a backbone or the
    store is made anew, nothing is trained again, and what was made of the run is looked at by itself. To Snakemake
    `ancient` is less: it trains again where such a file is gone, and looks at nothing behind one that it makes.

    So that another set of inputs is no reason to run: where it is one, a parameter (`reads`) says which files these are.
    """

    def of(wildcards):
        files = [paths.RUNS / wildcards.run / name for name in RUN_FILES]
        there = [file.is_file() for file in files]
        if all(there):
            check_triggers()
            return []
        file = file_of(wildcards)
        return ancient(file) if file and any(there) else file

    return of


def pretrained_from(wildcards):
    """ImageNet weights are made from the user's file, which the command names where it is missing; others from data."""
    backbone = PLAN.pretrained[wildcards.pretrained].detector.backbone
    if backbone.name == "resnet":
        # Not asked for where it has been used already, nor by a dry run.
        made = (paths.PRETRAINED / f"{wildcards.pretrained}.pt").is_file()
        excused = PLAN.config.download_weights or made or workflow.dryrun
        try:
            weights_file(backbone, PLAN.weights_root, excused)
        except InputError as error:
            stop(error)
        file = PLAN.weights_root and PLAN.weights_root / backbone.file
        return [str(file)] if file and file.is_file() else []
    return f"results/data/{PLAN.pretrained[wildcards.pretrained].data_id}/manifest.json"


def scores_of(wildcards):
    """What the numbers of a table are made from; parameters need no run."""
    if PLAN.exhibits[wildcards.exhibit].kind == "speed":
        return f"results/speed/{wildcards.exhibit}.json"
    runs = PLAN.run_ids(wildcards.exhibit)
    manifests = {f"results/data/{PLAN.run(run).data_id}/manifest.json" for run in runs}
    return sorted(manifests) + [
        f"results/runs/{run}/{name}"
        for run in runs
        for name in ("scores.json", paths.REPLICATES)
    ]


def files_of(wildcards):
    return [f"results/{file}" for file in figures.inputs(PLAN, wildcards.figure)]


def calibration_of(wildcards):
    """What `triplehead plan --calibrate` left: the report prints the cost that follows from it."""
    return [str(CALIBRATION)] if CALIBRATION.is_file() else []


def declared_claims():
    """What the ledger says beside its measurements."""
    parts = (PLAN.claims, PLAN.scale)
    return "".join(part.model_dump_json() for part in parts)


def silence_of():
    """The study of the open choices, where it was run: the report has a section on it, but never asks for it."""
    files = [Path(file) for file in SILENCE[:2] if Path(file).is_file()]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def engines_of():
    """The same runs by the other engine, where it made them: the report sets them side by side, but never asks for it."""
    files = [
        paths.RUNS / spec.id / "scores.json"
        for spec in PLAN.scored_by_other(paths.RUNS).values()
    ]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def silence_scores():
    specs = [
        spec
        for variant in PLAN.variants
        for spec in (*variant.specs, *PLAN.specs[variant.base])
    ]
    names = ("scores.json", paths.REPLICATES)
    return sorted(
        {f"results/runs/{spec.id}/{name}" for spec in specs for name in names}
    )


def testdev_of(wildcards):
    """What has come back from COCO's server: no rule makes it, but a table of test-dev scores prints it."""
    if PLAN.exhibits[wildcards.exhibit].split != "test-dev":
        return []
    files = [
        paths.RUNS / run / paths.TESTDEV for run in PLAN.run_ids(wildcards.exhibit)
    ]
    return [str(file) for file in files if file.is_file()]


def weights_of(wildcards):
    return [f"results/runs/{run}/model.pt" for run in PLAN.run_ids(wildcards.exhibit)]


def speed_data(wildcards):
    """None once it was measured, as for trainings (`unless_trained`)."""
    if Path(f"results/speed/{wildcards.exhibit}.json").is_file():
        return []
    runs = map(PLAN.run, PLAN.run_ids(wildcards.exhibit))
    return sorted({f"results/data/{run.data_id}/manifest.json" for run in runs})


def speed_rows(wildcards):
    name = wildcards.exhibit
    rows = PLAN.exhibits[name].rows
    return [f"{row.label}: {PLAN.run_ids(name, row.label)}" for row in rows]


def declaration_of(wildcards):
    """What an exhibit shows beside its measurements: a changed label or published number rewrites it."""
    name = wildcards.get("exhibit") or wildcards.get("figure")
    exhibit = PLAN.exhibits[name]
    counted = (
        paper_specs(name, extra=PLAN.config.extra)
        if exhibit.kind == "parameters"
        else []
    )
    return "".join(part.model_dump_json() for part in (exhibit, PLAN.scale, *counted))


def code_of(*packages):
    """Code that writes tables and pages: they are made anew when it changes. Runs are not: their spec counts."""
    return sorted(
        str(file)
        for name in packages
        for file in Path(paths.__file__).parent.joinpath(name).glob("*.py")
    )


def table_code(wildcards):
    """Parameters are counted when the table is made."""
    counts = PLAN.exhibits[wildcards.exhibit].kind == "parameters"
    return code_of(
        "analysis",
        "analysis/statistics",
        *(["detectors", "detectors/heads"] if counts else []),
    )


def data_root(wildcards):
    return PLAN.config.data_root and os.path.realpath(PLAN.config.data_root)


def root_of(wildcards):
    """Digit scenes do not depend on data_root."""
    folder = PLAN.data[wildcards.data].data.source == "folder" and PLAN.config.data_root
    return os.path.realpath(folder) if folder else None


def trains():
    return any(
        job.rule.name in ("train", "train_without_resamples")
        for job in workflow.dag.needrun_jobs()
    )


onsuccess:
    if missed := [name for name in unlogged() if name in PLAN.all_runs]:
        sys.stderr.write(
            f"warning: MLflow has not heard all of {len(missed)} runs (logs/train/{missed[0]}.log); reproduce_all logs them\n"
        )


onstart:
    try:
        require(workflow.executor_plugin.name)
        if workflow.executor_plugin.name == "local" and trains():
            scale, gpus = PLAN.scale, count_gpus()
            check_devices(scale.accelerator, scale.devices, gpus, "nvidia-smi")
            longest = max(
                run.spec.schedule.iterations for run in PLAN.all_runs.values()
            )
            warning = left_to_cpu(scale.accelerator, gpus, longest, "nvidia-smi")
            if warning:
                sys.stderr.write(f"{warning}\n")
        remember(PLAN.config, config)
    except InputError as error:
        stop(error)


wildcard_constraints:
    run=one_of_runs(list(PLAN.all_runs)),
    data=one_of(PLAN.data),
    layout=one_of(LAYOUTS),
    pretrained=one_of(PLAN.pretrained),
    exhibit=one_of(EXHIBITS),
    figure=one_of(FIGURE_NAMES),
