# The plan, made while the DAG is built: a mistake below experiments/ ends here, in one line.
import math
import os
import sys
from contextlib import suppress
from pathlib import Path

from triplehead import paths
from triplehead.analysis import figures
from triplehead.analysis.claims import inputs as claims_inputs
from triplehead.analysis.speed import is_measured
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
from triplehead.scratch import let_go, taken_for_whole
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
    let_go()
    with suppress(OSError, InputError):  # who cannot write there is told so by a job
        put_back()
    mark_if_gone(check_uri(PLAN.config))
    if unlogged():
        with suppress(OSError):
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
