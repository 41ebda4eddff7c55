import json
import shutil

import pytest
from tests.tracking.helpers import all_runs, histories, make_records, make_table

from triplehead.analysis.tables import read_table
from triplehead.engine.history import History
from triplehead.errors import InputError
from triplehead.paths import COUNTS
from triplehead.tracking import store
from triplehead.tracking.files import read_history
from triplehead.tracking.rebuild import clear, rebuild
from triplehead.tracking.report import log_report
from triplehead.tracking.run import Tracker
from triplehead.tracking.tables import log_exhibit

LIVE_ONLY = (
    "mlflow.parentRunId",
    "triplehead.host",
    "triplehead.pid",
    "triplehead.pid_started",
    "train_seconds",
    "code",
)
SCORES = {"AP": 100 / 3, "AP50": 50.5, "APL": None, "images": 32, "detections": 7}
ENVIRONMENT = {"triplehead": "0.1.0", "torch": "2.14.1"}


def some_runs(plan):
    """Two that Table 5 uses."""
    return [plan.run_ids("table5", label)[0] for label in ("JLA", "All")]


@pytest.fixture
def results(tmp_path, plan):
    """Two runs and a table, as the other stages write them."""
    results = tmp_path / "results"
    for run_id in some_runs(plan):
        folder = results / "runs" / run_id
        folder.mkdir(parents=True)
        history = History(30, {"records": make_records(30), "window": []})
        (folder / "spec.json").write_text(plan.runs[run_id].spec.model_dump_json(indent=1) + "\n")
        (folder / "history.csv").write_text(history.csv())
        (folder / "scores.json").write_text(json.dumps(SCORES))
        (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    make_table(plan, results)
    (results / "table5.tex").write_text("table")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "report.html").write_text("page")
    return results


@pytest.fixture
def migrated(monkeypatch, empty_store):
    """Spares the migrations, which other tests do."""
    monkeypatch.setattr(store, "initialise", lambda file: shutil.copy(empty_store, file))


def log_live(uri, plan, results):
    for folder in sorted((results / "runs").iterdir()):
        run = plan.runs[folder.name]
        with Tracker(uri, run.spec, run.users, folder) as tracker:
            tracker.log_history(make_records(20))
            tracker.log_history(make_records(30))
            tracker.log_environment(ENVIRONMENT)
        files = [folder / name for name in ("spec.json", "scores.json", "history.csv")]
        with Tracker(uri, run.spec, run.users, folder) as tracker:
            tracker.log_scores({key: value for key, value in SCORES.items() if key not in COUNTS}, files)
    files = [results / "table5.csv", results / "table5.tex"]
    log_exhibit(uri, plan, "table5", read_table(plan, "table5", results), files, results / "runs")
    log_report(uri, plan, results)


def tables_of(plan, results):
    return {"table5": read_table(plan, "table5", results)}


def view(uri):
    """Everything but times: {(experiment, run name): ...}."""
    client = store.client(uri)
    return {
        (client.get_experiment(run.info.experiment_id).name, run.info.run_name): (
            run.info.status,
            {key: value for key, value in histories(uri, run.info.run_id).items() if key not in LIVE_ONLY},
            run.data.params,
            {k: v for k, v in run.data.tags.items() if k not in LIVE_ONLY and not k.startswith("mlflow.source.git")},
            sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        )
        for run in all_runs(uri)
    }


def test_what_is_rebuilt_equals_what_was_logged(uri, plan, results):
    log_live(uri, plan, results)
    live = view(uri)
    assert len(live) == 2 + 2 + 1 + len(plan.exhibits["table5"].rows)  # trained, their copies, the report
    old = {run.info.run_id for run in all_runs(uri)}

    rebuild(uri, plan, results, tables_of(plan, results))
    assert view(uri) == live
    new = {run.info.run_id for run in all_runs(uri)}
    assert not old & new
    keeping = {run.info.run_id for run in all_runs(uri) if run.data.tags["triplehead.kind"] != "seed"}
    assert {folder.name for folder in results.glob("mlartifacts/*/*")} == keeping

    rebuild(uri, plan, results, tables_of(plan, results))
    assert view(uri) == live
    assert not list(results.glob(".mlflow.db*"))


def test_a_rebuilt_run_can_be_gone_on_with(uri, plan, results, migrated):
    rebuild(uri, plan, results, tables_of(plan, results))
    run = plan.runs[some_runs(plan)[0]]
    with Tracker(uri, run.spec, run.users, results) as tracker:
        tracker.log_history(make_records(35))
    (found,) = [entry for entry in all_runs(uri) if entry.data.tags.get("triplehead.run_id") == run.id]
    assert [step for step, _ in histories(uri, found.info.run_id)["loss"]] == list(range(1, 36))


def test_what_a_killed_rebuild_left_is_cleared_away(uri, plan, results):
    rebuild(uri, plan, results, {})
    file, runs = store.sqlite_file(uri), {run.info.run_id for run in all_runs(uri)}
    kept = {path.name for path in (file.parent / "mlartifacts").glob("*/*")}
    orphan = next((file.parent / "mlartifacts").glob("*/*")).with_name("0" * 32)
    orphan.mkdir()
    for suffix in ("", "-journal"):
        file.with_name(f".{file.name}.tmp{suffix}").write_text("half")
    clear(uri)
    assert {path.name for path in (file.parent / "mlartifacts").glob("*/*")} == kept <= runs
    assert not list(file.parent.glob(".*.tmp*")) and len(all_runs(uri)) == len(runs)


def test_a_broken_store_is_replaced(uri, plan, results):
    file = store.sqlite_file(uri)
    file.write_bytes(b"broken")
    file.with_name(file.name + "-journal").write_bytes(b"of the old one")
    rebuild(uri, plan, results, tables_of(plan, results))
    assert len(all_runs(uri)) == 2 + 2 + 1 + len(plan.exhibits["table5"].rows)
    assert not file.with_name(file.name + "-journal").exists()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("spec.json", "{}", "spec.json: not a spec of this version"),
        ("history.csv", "iteration,lr,loss\n1,x,2\n", "history.csv: not a training history"),
        ("history.csv", "lr,loss\n1,2\n", "history.csv: not a training history"),
        ("scores.json", '{"AP": ', "scores.json: cannot be read as JSON"),
    ],
)
def test_a_broken_file_is_named_and_the_store_stays(uri, plan, results, migrated, name, text, problem):
    before = store.sqlite_file(uri).read_bytes()
    next((results / "runs").iterdir()).joinpath(name).write_text(text)
    with pytest.raises(InputError, match=problem):
        rebuild(uri, plan, results, tables_of(plan, results))
    assert store.sqlite_file(uri).read_bytes() == before
    assert not list(results.glob(".mlflow.db*"))


def test_a_history_comes_back_exactly_in_order_of_time(results):
    file = next((results / "runs").iterdir()) / "history.csv"
    records = read_history(file)
    times = [record.pop("time") for record in records]
    assert times == sorted(set(times))
    assert records == [{key: value for key, value in row.items() if key != "time"} for row in make_records(30)]
