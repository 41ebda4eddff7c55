"""What is deleted or made anew: it hides nothing that is missing or outdated, and trains nothing again."""

import base64
import os
import re
import shutil
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence
from tests.helpers import write_speed_record
from tests.workflow.test_workflow import clone, copy_project, snakemake  # noqa: F401  clone is a fixture

from triplehead.paths import RUN_FILES
from triplehead.plan.plan import load_plan
from triplehead.scratch import let_go, taken_for_whole


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
    plan = load_plan({"scale": "smoke"})
    for file in (folder / "results" / "speed").iterdir():
        times = file.stat()
        write_speed_record(plan, file.stem, folder / "results")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
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


def test_a_report_that_is_made_anew_gets_the_data_that_it_describes(whole, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, symlinks=True)
    shutil.rmtree(folder / "results" / "data")
    assert rules_of(folder, "reproduce_all", *SMOKE) == set()
    (folder / "reports" / "report.pdf").unlink()
    found = rules_of(folder, "reproduce_all", *SMOKE)
    assert {"data", "report"} <= found and not found & {"train", "train_without_resamples", "speed", "pretrain"}


def test_a_new_run_is_trained_and_no_other(whole, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, symlinks=True)
    shutil.rmtree(folder / "results" / "pretrained")
    run = next((folder / "results" / "runs").iterdir())
    shutil.rmtree(run)
    result = snakemake(folder, "-n", "--cores", "4", "reproduce_all", *SMOKE)
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if len(line.split()) == 2)
    assert (counts["train"], counts["pretrain"]) == ("1", "1")


def without_data(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder, symlinks=True)
    for name in ("data", "pretrained"):
        shutil.rmtree(folder / "results" / name)
    (folder / "results" / "mlflow.ready").unlink()
    return folder


def unfinished(folder: Path, *files: str) -> None:
    """As a kill leaves them."""
    marks = folder / ".snakemake" / "incomplete"
    marks.mkdir(exist_ok=True)
    for file in files:
        (marks / base64.urlsafe_b64encode(file.encode()).decode()).write_text("{}")


def test_resamples_that_were_killed_train_nothing(whole, tmp_path):
    folder = without_data(whole, tmp_path / "study")
    run = next(name for name, run in load_plan({"scale": "smoke"}).runs.items() if run.spec.pretrained_id)
    rules = folder / "workflow" / "rules" / "common.smk"
    text, changes = re.subn("if False", f"if run == '{run}'", rules.read_text())  # resampled after it was trained
    assert changes == 1
    rules.write_text(text)
    resamples = f"results/runs/{run}/replicates.npz"
    (folder / resamples).unlink()
    unfinished(folder, resamples)
    found = rules_of(folder, "reproduce_all", *SMOKE)
    assert {"resample", "table"} <= found and not found & {"train", "train_without_resamples", "pretrain"}


@pytest.mark.parametrize("other", ["data", "tracking_store", "pretrain"])
@pytest.mark.parametrize(
    ("rule", "target"),
    [("train", "reproduce_all"), ("train", "results/table5.csv"), ("speed", "results/table3.csv")],
)
def test_what_is_asked_for_is_done_though_its_inputs_are_made_anew(whole, other, rule, target):
    """Snakemake forgets a job behind an `ancient` input that it makes."""
    assert {rule, "table"} <= rules_of(whole, target, "-R", other, rule, *SMOKE)


@pytest.mark.parametrize("other", ["data", "store"])
def test_a_killed_training_is_done_again_though_its_inputs_were_killed_too(whole, tmp_path, other):
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, symlinks=True)
    plan = load_plan({"scale": "smoke"})
    name, run = next((name, run) for name, run in plan.runs.items() if run.spec.pretrained_id)
    inputs = {"data": f"results/data/{run.spec.data_id}/manifest.json", "store": "results/mlflow.ready"}
    unfinished(folder, f"results/runs/{name}/model.pt", inputs[other])
    assert {"train", "table"} <= rules_of(folder, "reproduce_all", *SMOKE)


@pytest.mark.parametrize("way", ["one", "its rule", "all", "killed at the end"])
def test_a_training_that_runs_again_gets_what_it_needs(whole, tmp_path, way):
    """Snakemake deletes a job's files before it runs it: nothing may be missing then."""
    folder = without_data(whole, tmp_path / "study")
    run = next(name for name, run in load_plan({"scale": "smoke"}).runs.items() if run.spec.pretrained_id)
    target = f"results/runs/{run}/scores.json"
    call = {
        "one": ("-f", target),
        "its rule": (target, "-R", "train", "train_without_resamples"),
        "all": ("-F", target),
        "killed at the end": (target,),
    }
    if way == "killed at the end":
        unfinished(folder, target)
    found = rules_of(folder, *call[way], *SMOKE)
    assert found & {"train", "train_without_resamples"} and {"data", "pretrain", "tracking_store"} <= found


def test_states_go_once_their_run_was_taken_for_whole(whole, tmp_path):
    """Where nothing is made of a run that was trained again, as its bytes are the same."""
    folder = tmp_path / "study"
    shutil.copytree(whole, folder, symlinks=True)
    done, killed, begun, *_ = load_plan({"scale": "smoke"}).runs
    for run in (done, killed, begun):
        (folder / "results" / "scratch" / run).mkdir(parents=True)
    (folder / "results" / "runs" / begun / "scores.json").unlink()
    unfinished(folder, f"results/runs/{killed}/model.pt")
    rules_of(folder, "results/table5.csv", *SMOKE)
    assert {path.name for path in (folder / "results" / "scratch").iterdir()} == {killed, begun}


def test_what_is_made_by_hand_of_a_run_that_has_not_ended_leaves_its_state(tmp_path, monkeypatch):
    """Its history is there before its scores."""
    monkeypatch.chdir(tmp_path)
    done, killed, begun = (Path("results/runs") / name for name in ("done", "killed", "begun"))
    for run in (done, killed, begun):
        run.mkdir(parents=True)
        for name in RUN_FILES if run != begun else ["history.csv"]:
            (run / name).touch()
        Path("results/scratch", run.name).mkdir(parents=True)
    Path(".snakemake").mkdir()
    unfinished(Path(), str(killed / "model.pt"))
    let_go(["done", "killed", "begun", "none"])
    assert {path.name for path in Path("results/scratch").iterdir()} == {"killed", "begun"}


def test_marks_of_long_names(tmp_path, monkeypatch):
    """Snakemake puts them into folders, as no file system has longer names."""
    monkeypatch.chdir(tmp_path)
    output = f"results/runs/{'x' * 180}/scores.json"
    assert taken_for_whole([output])
    record = Path(FilePersistence(nolock=True)._record_path(".snakemake/incomplete", output))
    record.parent.mkdir(parents=True, exist_ok=True)
    record.touch()
    assert not taken_for_whole([output])


@pytest.mark.parametrize("again", ["protocol", "weights", "asked for"])
def test_a_speed_that_is_measured_again_gets_its_data(whole, tmp_path, again):
    folder = without_data(whole, tmp_path / "study")
    call = ["results/table3.csv"]
    if again == "protocol":
        scale = folder / "experiments" / "scales" / "smoke.yaml"
        text, changes = re.subn(r"repeats: \d+", "repeats: 6", scale.read_text())
        assert changes == 1
        scale.write_text(text)
    elif again == "weights":
        spec = load_plan({"scale": "smoke"}).specs["table3", "Ours"][0]
        (folder / "results" / "runs" / spec.id / "model.pt").write_text("others")
    else:
        call += ["-R", "speed"]
    found = rules_of(folder, *call, *SMOKE)
    assert {"speed", "data", "table"} <= found and not found & {"train", "train_without_resamples"}


@pytest.mark.parametrize("triggers", ["input", "code", "mtime input", "mtime", "params"])
@pytest.mark.parametrize("trained", [True, False])
def test_triggers_that_would_train_again_or_see_too_little_are_refused(whole, clone, triggers, trained):  # noqa: F811
    folder = whole if trained else clone
    refused = snakemake(folder, "-n", "results/table5.csv", "--rerun-triggers", *triggers.split(), *SMOKE)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    words = ", ".join(sorted(triggers.split()))
    assert f"error: rerun-triggers: has {words}, expected mtime and params, as in" in refused.stderr
