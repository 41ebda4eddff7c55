"""Clones that share a server: each sees to its own runs."""

import json

import pytest
from tests.tracking.helpers import make_records, make_table

from triplehead.errors import InputError
from triplehead.tracking import rebuild, store, study
from triplehead.tracking.names import RUN_ID
from triplehead.tracking.run import Tracker
from triplehead.tracking.tables import write_exhibit


@pytest.fixture
def clone(uri, monkeypatch):
    """Lets the next calls be those of the clone with that study; the store behaves as a server's."""

    def become(name: str) -> None:
        opened = store.Store(store.client(uri), None, name)
        monkeypatch.setattr("triplehead.tracking.run.open_store", lambda _: opened)
        monkeypatch.setattr(store, "open_store", lambda _: opened)

    return become


def found(uri, query=""):
    return list(store.Store(store.client(uri), None).runs(query))


def test_an_id_is_made_once_and_only_below_a_results_folder(tmp_path):
    with pytest.raises(
        InputError, match=r"results/mlflow\.id: cannot be written \(No such file or directory\), expected"
    ):
        study.study_id(tmp_path / "results")
    assert not (tmp_path / "results").exists()
    (tmp_path / "results").mkdir()
    first = study.study_id(tmp_path / "results")
    assert len(first) == 32 and study.study_id(tmp_path / "results") == first
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["mlflow.id"]


def test_a_line_end_behind_an_id_is_no_other_id(tmp_path):
    (tmp_path / study.FILE).write_text("0123456789abcdef" * 2 + "\n")
    assert study.study_id(tmp_path) == "0123456789abcdef" * 2


def test_an_id_that_was_begun_is_written_anew(tmp_path):
    (tmp_path / study.FILE).write_text("0123")
    fresh = study.study_id(tmp_path)
    assert len(fresh) == 32 and (tmp_path / study.FILE).read_text() == fresh


def test_two_clones_train_the_same_spec(uri, spec, users, tmp_path, clone):
    for name in ("one", "two", "one"):
        clone(name)
        with Tracker(uri, spec, users, tmp_path) as tracker:
            tracker.log_history(make_records(30))
    runs = found(uri, f"tags.`{RUN_ID}` = '{spec.id}'")
    assert sorted(run.data.tags[study.STUDY] for run in runs) == ["one", "two"]
    for run in runs:
        assert len(store.client(uri).get_metric_history(run.info.run_id, "loss")) == 30


def test_rows_and_a_rebuild_leave_the_other_clone_alone(uri, plan, tmp_path, clone):
    rows = len(plan.exhibits["table5"].rows)
    table = make_table(plan, tmp_path / "results")
    for name in ("one", "two", "two"):
        write_exhibit(store.Store(store.client(uri), None, name), plan, "table5", table, [])
    assert len(found(uri)) == 2 * rows
    before = {run.info.run_id for run in found(uri) if run.data.tags[study.STUDY] == "one"}
    clone("two")
    rebuild.rebuild("http://server", plan, tmp_path / "results", {})
    assert {run.info.run_id for run in found(uri)} == before


def test_runs_that_name_no_study_are_gone_on_with(uri, spec, users, tmp_path, clone):
    for name in ("", "one"):
        clone(name)
        with Tracker(uri, spec, users, tmp_path) as tracker:
            tracker.log_history(make_records(10))
    (run,) = found(uri)
    assert json.loads(run.data.tags["seed"]) == spec.seed


def test_who_has_no_id_touches_nothing_on_a_server(uri, plan, spec, users, tmp_path, monkeypatch, capsys):
    """Neither by a rebuild, which deletes what is its own, nor by a run, which goes on in one of its name."""
    with Tracker(uri, spec, users, tmp_path) as tracker:
        tracker.log_history(make_records(3))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(store, "sqlite_file", lambda _: None)
    with pytest.raises(InputError, match=r"results/mlflow\.id: cannot be written"):
        rebuild.rebuild(uri, plan, tmp_path / "elsewhere" / "results", {})
    with Tracker(uri, spec, users, tmp_path):
        pass
    assert "mlflow.id: cannot be written" in capsys.readouterr().err
    (run,) = found(uri)
    assert run.info.status == "FINISHED" and len(store.client(uri).get_metric_history(run.info.run_id, "loss")) == 3
