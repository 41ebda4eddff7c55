"""A store that fails in the middle of a run is made up for once it answers again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers import only_own_tables
from tests.torture.checks import logged
from tests.tracking.conftest import ROOT
from tests.tracking.helpers import histories, make_records, only_run
from tests.workflow.test_workflow import clone, snakemake  # noqa: F401

from triplehead.engine.history import History
from triplehead.tracking.rebuild import relog
from triplehead.tracking.run import Tracker
from triplehead.tracking.runlog import RunLog
from triplehead.tracking.unlogged import ALL, MARKS, Mark, mark_if_gone, unlogged


@pytest.fixture
def folder(tmp_path, spec, monkeypatch) -> Path:
    """The finished run's."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "runs" / spec.id
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(spec.model_dump_json())
    (folder / "history.csv").write_text(History(30, {"records": make_records(30), "window": []}).csv())
    (folder / "scores.json").write_text(json.dumps({"AP": 25.5, "images": 8, "detections": 99}))
    return folder


@pytest.mark.parametrize("method", ["begin", "history", "scores", "end"])
def test_what_the_store_missed_is_logged_later(uri, plan, spec, users, folder, method, monkeypatch, capsys):
    """Wherever it failed, and nothing twice."""

    def full(*_):
        raise OSError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(RunLog, method, full)
        with Tracker(uri, spec, users, folder, mark=Mark(spec.id)) as tracker:
            tracker.log_history(make_records(12))
            tracker.log_history(make_records(30))
            tracker.log_scores({"AP": 25.5}, [])
    assert "database or disk is full; going on without it" in capsys.readouterr().err
    assert only_run(uri).info.status != "FINISHED" and unlogged() == [spec.id]
    assert relog(uri, plan, folder)
    run = only_run(uri)
    assert run.info.status == "FINISHED" and run.data.metrics["AP"] == 25.5
    found = histories(uri, run.info.run_id)
    assert [step for step, _ in found["loss"]] == list(range(1, 31)) and len(found["AP"]) == 1
    assert found.keys() - {"train_seconds"} == make_records(1)[0].keys() - {"iteration", "time"} | {"AP"}


def test_a_run_that_was_heard_leaves_no_mark(uri, spec, users, folder):
    with Tracker(uri, spec, users, folder, mark=Mark(spec.id)) as tracker:
        tracker.log_scores({"AP": 25.5}, [])
    assert unlogged() == [] and not list(MARKS.iterdir())
    with pytest.raises(RuntimeError), Tracker(uri, spec, users, folder, mark=Mark(spec.id)):
        raise RuntimeError  # MLflow knows of it
    assert unlogged() == []


def test_a_mark_that_could_not_be_set_at_first_is_set_at_last(uri, spec, users, folder):
    """A folder that took nothing as the job began, and then did."""
    MARKS.touch()
    with Tracker("sqlite:////nowhere/mlflow.db", spec, users, folder, mark=Mark(spec.id)):
        assert unlogged() == []
        MARKS.unlink()
    assert unlogged() == [spec.id]


def test_the_rule_tracked_runs_again_where_something_was_missed(clone, plan, spec):  # noqa: F811
    """A run without scores, which is at work or will be made again, is none of that."""
    tracked, marks = clone / "results" / "mlflow.tables", clone / MARKS
    marks.mkdir(parents=True)
    for name, scores, is_kept in ((spec.id, False, True), (spec.id, True, False), ("tables", False, False)):
        tracked.touch()
        (marks / name).touch()
        run = clone / "results" / "runs" / name
        run.mkdir(parents=True, exist_ok=True)
        if scores:
            (run / "scores.json").write_text("{}")
        assert snakemake(clone, "-n", "results/table4.csv", "--config", "scale=smoke").returncode == 0
        assert tracked.exists() == is_kept
        if scores:
            said = snakemake(clone, "results/table4.csv", "--config", "scale=smoke").stderr
            assert f"warning: MLflow has not heard all of 1 runs (logs/train/{name}.log)" in said
        (marks / name).unlink()


def test_the_command_takes_the_mark_away_once_the_store_has_all(tmp_path, uri, spec, folder, monkeypatch):
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    only_own_tables(tmp_path / "experiments", keep=("table4",))

    def call(*command: str) -> subprocess.CompletedProcess:
        command = (sys.executable, "-m", "triplehead", *command, "-c", "scale=smoke")
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert call("table", "table4").returncode == 0
    Mark(spec.id).set()
    database = tmp_path / "results" / "mlflow.db"
    database.rename(tmp_path / "away")
    database.mkdir()
    failed = call("track", "tables")
    assert failed.returncode == 0 and "going on without it" in failed.stderr
    assert sorted(unlogged()) == sorted([spec.id, ALL])
    database.rmdir()
    (tmp_path / "away").rename(database)
    done = call("track", "tables")
    assert done.returncode == 0 and not done.stderr and unlogged() == []
    heard = logged(uri)

    database.unlink()  # by hand
    mark_if_gone(uri)
    assert unlogged() == [spec.id]
    assert call("track", "tables").returncode == 0 and unlogged() == []
    assert logged(uri) == heard and len(heard) > 1

    table = tmp_path / "results" / "table4.tex"
    table.write_text(table.read_text().replace("32,244,250", "32,244,251"))
    for command in ("tables", "rebuild"):
        refused = call("track", command)
        assert refused.returncode == 2 and "table4.tex: is not what `table/table4` made" in refused.stderr
    assert logged(uri) == heard


def test_a_store_that_is_there_or_a_server_is_not_gone(uri, folder):
    mark_if_gone(uri)
    mark_if_gone("http://127.0.0.1:9")
    assert unlogged() == []
