"""Snakemake's side of training: the paper scale's plan, its weights, and runs of several processes."""

import csv
import json
import subprocess

import pytest
from tests.helpers import write_msra
from tests.walks.conftest import root  # noqa: F401  a fixture
from tests.workflow.test_workflow import SNAKEMAKE, clone, snakemake  # noqa: F401  clone is a fixture

from triplehead.plan.plan import load_plan

ASKED = {"runtime", "mem_mb", "gpu", "cpus_per_task", "nodes"}


def counts(result) -> dict[str, int]:
    rows = [line.split() for line in result.stdout.split("Job stats:")[1].splitlines()[3:]]
    return {row[0]: int(row[1]) for row in rows[: next(n for n, row in enumerate(rows) if not row)]}


def test_the_paper_scale_is_planned_on_real_images_in_full_layout(clone, real_data):  # noqa: F811
    write_msra(clone / "weights", 50)
    arguments = ("-n", "--config", "scale=paper", f"data_root={real_data}", f"weights_root={clone / 'weights'}")
    result = snakemake(clone, *arguments)
    assert result.returncode == 0, result.stderr
    found = counts(result)
    plan = load_plan({"scale": "paper"})
    assert (found["data"], found["pretrain"], found["train"]) == (3, 2, len(plan.runs))
    assert str(clone / "weights" / "R-50.pkl") in result.stdout

    table = snakemake(clone, *arguments[:1], "results/table5.csv", *arguments[1:])
    found = counts(table)
    assert (found["data"], found["pretrain"], found["train"], found["table"]) == (1, 1, 7, 1)
    other = snakemake(clone, *arguments[:1], "results/table5.csv", *arguments[1:], "weights=none")
    assert "pretrain" not in counts(other) and counts(other)["train"] == 7


@pytest.mark.parametrize(("devices", "gpus"), [(1, 1), (8, 8)])
def test_what_a_job_asks_for_follows_the_scale_and_its_devices(clone, root, devices, gpus):  # noqa: F811
    """paper.yaml: 24 hours and 48 GB for each device; four threads and four loading processes, one node."""
    settings = ("scale=paper", f"data_root={root}", f"devices={devices}")
    dry = ("-n", "results/table5.csv", "--resources", "gpu=8", "mem_mb=1000000", "--config", *settings)
    done = snakemake(clone, *dry)
    assert done.returncode == 0, done.stderr
    asked = [line.split(": ", 1)[1].split(", ") for line in done.stdout.splitlines() if "resources: " in line]
    found = {tuple(part for part in each if part.split("=")[0] in ASKED) for each in asked}
    train = tuple(sorted(("runtime=1440", f"mem_mb={48_000 * devices}", f"gpu={gpus}", f"cpus_per_task={8 * devices}", "nodes=1")))  # fmt: skip
    assert train in {tuple(sorted(each)) for each in found}
    others = [dict(part.split("=") for part in each) for each in found if tuple(sorted(each)) != train]
    assert others and all(each.get("gpu", "0") == "0" for each in others)


def test_another_data_root_is_looked_at_before_anything_runs(clone, root):  # noqa: F811
    """Also where its data have been prepared: the manifest stays."""
    settings = ("--cores", "1", "--config", "scale=paper", "data_complete=false", "accelerator=cpu")
    data = load_plan({"scale": "paper"}).specs["table5", "FCOS"][0].data_id
    manifest = f"results/data/{data}/manifest.json"
    made = snakemake(clone, manifest, *settings, f"data_root={root}")
    assert made.returncode == 0, made.stderr
    done = snakemake(clone, manifest, *settings, f"data_root={root / 'coco'}")
    assert done.returncode == 2 and (clone / manifest).is_file()
    (said,) = [line for line in done.stderr.splitlines() if "error: " in line]
    assert said.startswith(f"error: {root}/coco/coco/annotations/instances_train2017.json: no such file or folder; ")


def test_a_sample_is_refused_once_all_is_demanded(clone, root):  # noqa: F811
    """Runs of a sample do not become the paper scale's by leaving data_complete=false out."""
    settings = ("--cores", "1", "--config", "scale=paper", "accelerator=cpu", f"data_root={root}")
    manifest = f"results/data/{load_plan({'scale': 'paper'}).specs['table5', 'FCOS'][0].data_id}/manifest.json"
    made = snakemake(clone, manifest, *settings, "data_complete=false")
    assert made.returncode == 0, made.stderr
    done = snakemake(clone, manifest, *settings)
    assert done.returncode == 1 and "the train split has 8 images, expected 118,287" in done.stderr
    # The manifest, which Snakemake took away, is there again: without it finished runs would be trained anew.
    snakemake(clone, *settings, "data_complete=false", "-n", manifest)
    assert (clone / manifest).is_file()
    (clone / manifest).unlink()  # by the user, to have it anew
    made = snakemake(clone, manifest, *settings, "data_complete=false")
    assert made.returncode == 0 and "begun  data " in made.stderr
    (clone / manifest).unlink()
    assert "rule data:" in snakemake(clone, *settings, "data_complete=false", "-n", manifest).stdout


def test_a_long_training_that_is_left_to_a_cpu_is_told_of(clone, root, monkeypatch):  # noqa: F811
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = ("scale=paper", "weights=none", "data_complete=false", f"data_root={root}", "iterations=10000")
    run = load_plan({"scale": "paper", "weights": "none", "iterations": 10000}).specs["table5", "FCOS"][0]
    command = [*SNAKEMAKE, f"results/runs/{run.id}/scores.json", "--cores", "1", "--config", *settings]
    started = subprocess.Popen(command, cwd=clone, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        said = next((line for line in started.stderr if line.startswith("warning: ")), "")
    finally:
        started.terminate()
        started.communicate()
    assert said == (
        "warning: accelerator auto: nvidia-smi sees no GPU: 10,000 iterations on the CPU; "
        "accelerator=cpu says that this is meant\n"
    )


@pytest.mark.slow
def test_missing_weights_are_one_line_before_any_training(clone, real_data):  # noqa: F811
    result = snakemake(
        clone,
        "results/pretrained/resnet50-msra.pt",
        "--cores",
        "1",
        "--config",
        "scale=paper",
        f"data_root={real_data}",
    )
    assert result.returncode != 0
    said = [line for line in result.stderr.splitlines() if "error: " in line]
    assert len(said) == 1 and said[0].startswith(f"error: {real_data}/weights/R-50.pkl: no such file; get https://")
    assert not (clone / "logs").exists()


@pytest.mark.slow
def test_a_run_on_two_processes_from_the_data_to_the_scores(clone):  # noqa: F811
    config = {"scale": "smoke", "iterations": 4, "batch_size": 4}
    run = load_plan(config).specs["table5", "FCOS"][0].id
    said = [f"{key}={value}" for key, value in config.items()] + ["devices=2", "micro_batch=1", "accelerator=cpu"]
    target = f"results/runs/{run}/scores.json"
    result = snakemake(clone, target, "--cores", "2", "--config", *said)
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads((clone / target).read_text())["images"] == 32
    with open(clone / "results" / "runs" / run / "history.csv") as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]
    log = (clone / "logs" / "train" / f"{run}.log").read_text()
    assert log.count("4/4") == 1  # one process speaks


@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_one_line(clone, monkeypatch):  # noqa: F811
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    config = {"scale": "smoke", "iterations": 4}
    run = load_plan(config).specs["table5", "FCOS"][0].id
    said = ["scale=smoke", "iterations=4", "accelerator=gpu"]
    result = snakemake(clone, f"results/runs/{run}/scores.json", "--cores", "2", "--config", *said)
    assert result.returncode != 0
    (said,) = [line for line in result.stderr.splitlines() if "error: " in line]
    assert said == "error: accelerator: gpu is asked for, but nvidia-smi sees none here; cpu or auto go without"
    assert not (clone / "logs" / "train").exists() and not (clone / "results" / "data").exists()
