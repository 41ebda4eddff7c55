# What the rules read: the files of each, and the parameters beside them that make it another job.
import hashlib
from functools import cache


@cache
def check_triggers():
    """Not while the rules are read, when Snakemake does not know them yet."""
    triggers = sorted(map(str, workflow.rerun_triggers))
    if workflow.is_main_process and triggers != ["mtime", "params"]:
        stop(
            f"rerun-triggers: has {', '.join(triggers) or 'none'}, expected mtime and params, as in profiles/default: "
            "others train again what has been trained, fewer miss what has changed"
        )


def is_done(name, files):
    """Whether all files of a job of rule `name` are there, and Snakemake does not run it nonetheless."""
    return (
        all(map(os.path.isfile, files))
        and name not in {each.name for each in workflow.dag.forcerules}
        and not set(map(os.path.relpath, workflow.dag.forcefiles)) & set(files)
        and taken_for_whole(files)
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
    store is made anew, nothing is trained again, and what was made of the run is looked at by itself. Snakemake's
    `ancient` will not do: it trains again where such a file is gone, and looks at nothing behind one that it makes.

    So that another set of inputs is no reason to run: where it is one, a parameter (`reads`) says which files these are.
    """

    def of(wildcards):
        check_triggers()
        within = wildcards.run not in RESAMPLED_AFTER
        names = (*RUN_FILES, paths.REPLICATES) if within else RUN_FILES
        files = [f"results/runs/{wildcards.run}/{name}" for name in names]
        name = "train" if within else "train_without_resamples"
        return [] if is_done(name, files) else file_of(wildcards)

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
    check_triggers()
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
    """None once it was measured as the scale has it, as for trainings (`unless_trained`)."""
    record = f"results/speed/{wildcards.exhibit}.json"
    measured = is_measured(PLAN, wildcards.exhibit, paths.RESULTS)
    if measured and is_done("speed", [record]):
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
