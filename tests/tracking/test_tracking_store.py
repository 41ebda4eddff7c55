import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Config
from triplehead.tracking import names, store


def test_without_a_setting_the_store_lies_below_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store.uri(Config()) == f"sqlite:///{tmp_path}/results/mlflow.db"


def test_a_folder_whose_name_mlflow_would_take_for_sql_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "both ' and \""
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=r"mlflow\.db: no MLflow store can lie below folders with both ' and \" in"):
        store.uri(Config())


def test_a_store_that_is_gone_or_damaged_is_told_of(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "results" / "mlflow.db"
    assert store.problem_of(uri) is None and store.problem_of("http://tracker:5000") is None
    with closing(sqlite3.connect(file)) as busy:
        busy.execute("begin exclusive")
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0.1))
        assert store.problem_of(uri) is None
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], b"garbage", content[:4096] + bytes(len(content) - 4096)):
        file.write_bytes(damaged)
        assert "is damaged (" in store.problem_of(uri)
    file.unlink()
    assert store.problem_of(uri) is None  # none was made yet
    (tmp_path / "results" / "mlflow.ready").touch()
    assert store.problem_of(uri) == "is gone; the rule reproduce_all makes it anew"


@pytest.mark.parametrize("text", ["http://tracker:5000", "sqlite:////srv/mlflow.db", "postgresql+psycopg2://u:p@h/db"])
def test_a_store_that_mlflow_can_open_is_taken_as_it_is(text):
    assert store.uri(Config(tracking_uri=text)) == text


@pytest.mark.parametrize("text", ["mlruns", "file:///tmp/mlruns", "tracker:5000", ""])
def test_anything_else_is_refused_by_name(text):
    with pytest.raises(InputError, match=r"^--config: tracking_uri: expected one of http://.*, found "):
        load_plan({"tracking_uri": text})


def test_create_lists_experiments_like_the_papers_contents(uri, plan, tmp_path):
    store.create(uri, plan)
    store.create(uri, plan)
    found = {entry.name: entry for entry in store.client(uri).search_experiments()}
    listed = list(found)  # latest first, as the UI shows them; MLflow's own "Default" is gone
    assert listed[-2:] == ["Claims (smoke)", "Training runs (smoke)"]
    assert listed[0] == "Report (smoke)"
    assert listed[:-2] == sorted(listed[:-2])
    assert "Table 5 · Individual component ablation studies (smoke)" in listed
    assert "Table 4 · The number of parameters (paper architecture)" in listed
    tables = [exhibit for exhibit in plan.exhibits.values() if exhibit.kind != "figure"]
    assert len(listed) == len(tables) + 3
    table = found["Table 5 · Individual component ablation studies (smoke)"]
    assert table.artifact_location == (tmp_path / "results" / "mlartifacts" / "table5-smoke").as_uri()
    assert table.tags["mlflow.experimentKind"] == "custom_model_development"  # else the UI asks
    assert "section 4.4" in table.tags["mlflow.note.content"]


def test_a_store_half_made_by_others_is_completed(tmp_path):
    from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
    from sqlalchemy import create_engine

    file = tmp_path / "mlflow.db"
    uri = store.sqlite_uri(file)
    engine = create_engine(uri)
    InitialBase.metadata.create_all(engine)  # the oldest tables, as a creation leaves them that dies here
    engine.dispose()
    store.create(uri)
    assert [found.name for found in store.client(uri).search_experiments()] == ["Default"]


def test_a_killed_creation_leaves_no_store_and_its_remains_do_no_harm(tmp_path):
    (tmp_path / ".mlflow.db.tmp").write_bytes(b"half")
    (tmp_path / ".mlflow.db.tmp-journal").write_bytes(b"half")
    store.create(store.sqlite_uri(tmp_path / "mlflow.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_folder_in_the_stores_place_is_named_at_once(tmp_path):
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(PermissionError, match=r"mlflow\.db is no file that can be written"):
        store.open_store(store.sqlite_uri(tmp_path / "mlflow.db"))


def test_a_file_that_is_no_store_is_named(tmp_path):
    file = tmp_path / "mlflow.db"
    file.write_text("something else, longer than a header\n" * 100)
    with pytest.raises(InputError, match=r"mlflow\.db: not an SQLite database"):
        store.create(store.sqlite_uri(file))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"mlflow\.db: cannot be written"):
        store.create(store.sqlite_uri(tmp_path / "file" / "mlflow.db"))


def test_a_server_that_is_down_is_named_without_the_password():
    with pytest.raises(InputError, match="no usable MLflow store") as caught:
        store.create("http://user:secret@127.0.0.1:9")
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_importing_the_package_does_not_import_mlflow():
    modules = ", ".join(f"triplehead.tracking.{name}" for name in ("store", "run", "runlog", "tables", "rebuild"))
    code = f"import sys, {modules}; print([m for m in ('mlflow', 'pandas', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_names_of_exhibits():
    assert names.exhibit_title("table12") == "Table 12"
    assert names.exhibit_title("fig4") == "Figure 4"
    keys = ["fig4", "table10", "table2", "table1"]
    assert sorted(keys, key=names._paper_order) == ["table1", "table2", "table10", "fig4"]


def test_long_params_are_cut():
    flat = names.flatten({"a": {"b": "x" * 600, "c": None, "d": (1, 2)}})
    assert len(flat["a.b"]) == names.MAX_PARAM
    assert (flat["a.c"], flat["a.d"]) == ("null", "[1, 2]")


def test_the_folder_of_artifacts_may_have_spaces(empty_store, tmp_path, plan):
    folder = tmp_path / "my results"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    opened = store.open_store(store.sqlite_uri(folder / "mlflow.db"))
    experiment = opened.experiment(names.training_experiment("smoke"))
    run = opened.client.create_run(experiment)
    (tmp_path / "a.txt").write_text("a")
    opened.client.log_artifact(run.info.run_id, str(tmp_path / "a.txt"))
    assert len(list(Path(folder, "mlartifacts").rglob("a.txt"))) == 1


def test_a_default_experiment_that_somebody_uses_stays(uri, plan):
    client = store.client(uri)
    client.set_terminated(client.create_run("0").info.run_id)
    store.create(uri, plan)
    assert "Default" in {entry.name for entry in client.search_experiments()}
