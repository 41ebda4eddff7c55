"""What is deleted or made anew: it hides nothing that is missing or outdated, and trains nothing again."""

import base64
import re
import shutil
from pathlib import Path

import pytest
from tests.workflow.test_workflow import clone, copy_project, snakemake  # noqa: F401  clone is a fixture

from triplehead.paths import RUN_FILES
from triplehead.plan.plan import load_plan


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("again", ["store", "data", "pretrained"])
def test_what_is_made_anew_hides_nothing_that_is_missing(clone, again, trained):  # noqa: F811
    """Snakemake looks at nothing behind an input that is `ancient`, and would end well without it."""
    plan = load_plan({"scale": "smoke"})
    files = {
        "store": ["results/mlflow.ready"],
        "data": [f"results/data/{name}/manifest.json" for name in plan.data],
        "pretrained": [f"results/pretrained/{name}.pt" for name in plan.pretrained],
        "runs": [f"results/runs/{run}/{name}" for run in plan.runs for name in RUN_FILES if trained],
    }
    for file in [file for each in files.values() for file in each]:
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).write_text("{}")
    incomplete = clone / ".snakemake" / "incomplete"
    incomplete.mkdir(parents=True)
    for file in files[again]:  # as a kill leaves it between the job's last word and Snakemake's
        (incomplete / base64.b64encode(file.encode()).decode()).write_text("")
    result = snakemake(clone, "-n", "--cores", "4", "reproduce_all", "--config", "scale=smoke")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    tables = sum(exhibit.kind != "figure" for exhibit in plan.exhibits.values())
    found = [int(counts.get(rule, 0)) for rule in ("train", "table", "claims", "report")]
    assert found == [0 if trained else len(plan.runs), tables, 1, 1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A study at the scale smoke that is done: empty files, which no work made."""
    folder = tmp_path_factory.mktemp("whole")
    copy_project(folder)
    for file in (folder / "workflow" / "rules").glob("*.smk"):
        text = re.sub(r'"triplehead [^"]*"', '"touch {output:q}"', file.read_text())
        file.write_text(re.sub(r"resampled_after\([^)]*\)", "False", text))
    made = snakemake(folder, "--cores", "4", "reproduce_all", *SMOKE)
    assert made.returncode == 0, made.stderr[-2000:]
    return folder


SMOKE = ("--config", "scale=smoke")
GONE = {
    "store": "results/mlflow.ready",
    "data": "results/data",
    "pretrained": "results/pretrained",
    "nothing": "results/nothing",
}


def rules_of(folder: Path, *call: str) -> set[str]:
    result = snakemake(folder, "-n", "--cores", "4", *call)
    assert result.returncode == 0, result.stderr
    # There is no MLflow file: its rule is always asked for.
    return set(re.findall(r"(?m)^(?:rule|localrule) (\w+):", result.stdout)) - {"reproduce_all", "tracked"}


def test_a_whole_study_has_nothing_left_to_do(whole):
    assert rules_of(whole, "reproduce_all", *SMOKE) == set()


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize(
    ("target", "rule"),
    [("reproduce_all", "report"), ("results/table5.csv", "table"), ("results/table3.csv", "table"),
     ("results/fig5.pdf", "figure")],
)  # fmt: skip
def test_what_is_gone_or_made_anew_hides_nothing_and_trains_nothing_again(whole, tmp_path, gone, target, rule):
    """Whoever deletes data to have room, or names another store, and then changes words: to Snakemake's `ancient` that
    is all trainings again, or nothing at all."""
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, symlinks=True)
    for name in ("table5", "table3", "fig5"):
        file = folder / "experiments" / f"{name}.yaml"
        file.write_text(re.sub(r"(?m)^title: .+$", "title: Other words", file.read_text(), count=1))
    path = folder / GONE[gone]
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    found = rules_of(folder, target, *SMOKE)
    assert rule in found and not found & {"train", "train_without_resamples", "speed", "pretrain"}


def test_a_new_run_is_trained_and_no_other(whole, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, symlinks=True)
    shutil.rmtree(folder / "results" / "pretrained")
    run = next((folder / "results" / "runs").iterdir())
    shutil.rmtree(run)
    result = snakemake(folder, "-n", "--cores", "4", "reproduce_all", *SMOKE)
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert (counts["train"], counts["pretrain"]) == ("1", "1")


@pytest.mark.parametrize("triggers", ["input", "code", "mtime input"])
def test_triggers_that_would_train_again_are_refused(whole, triggers):
    refused = snakemake(whole, "-n", "results/table5.csv", "--rerun-triggers", *triggers.split(), *SMOKE)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    word = triggers.removeprefix("mtime ")
    assert f"error: rerun-triggers: has {word}, expected mtime and params alone" in refused.stderr
