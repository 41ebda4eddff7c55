import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from tests.tracking.helpers import all_runs, histories, make_records, only_run

from triplehead.tracking.names import exhibit_title
from triplehead.tracking.rebuild import sweep
from triplehead.tracking.run import Tracker
from triplehead.tracking.runlog import RunLog

SPAWN = multiprocessing.get_context("spawn")


def log_all(uri, spec, users, count, side_by_side):
    import mlflow  # noqa: F401  its import would let one of them begin long before the other

    side_by_side.wait(60)
    with Tracker(uri, spec, users, Path("run")) as tracker:
        records = make_records(count)
        for end in range(20, count + 1, 20):
            tracker.log_history(records[:end])


def log_until_killed(uri, spec, users, started):
    records = make_records(5000)
    tracker = Tracker(uri, spec, users, Path("run")).__enter__()
    for end in range(1, len(records) + 1):
        tracker.log_history(records[:end])
        if end == 5:
            started.set()


def test_a_run_carries_its_spec_its_rows_and_its_code(uri, spec, users):
    with Tracker(uri, spec, users, Path("run")) as tracker:
        assert only_run(uri).info.status == "RUNNING"
        tracker.log_history(make_records(3))
        tracker.log_environment({"torch": "2.14.1"})
    run = only_run(uri)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{exhibit_title(users[0][0])}: {users[0][1]} · seed 0"
    assert run.data.params["detector.assigner.k"] == "35"
    assert run.data.params["input.mean"] == "[0.485, 0.456, 0.406]"
    tags = run.data.tags
    assert tags["triplehead.run_id"] == spec.id
    assert tags["exhibits"] == "; ".join(f"{exhibit}: {label}" for exhibit, label in users)
    assert tags["table5"] == "JLA" and tags["table1"] == "K = 35"
    assert (tags["scale"], tags["dataset"], tags["group"]) == ("smoke", "coco", spec.group)
    assert tags["triplehead.pid"] == str(os.getpid())
    assert tags["code"].startswith("0.")
    assert tags["env.torch"] == "2.14.1"


def test_a_run_that_is_trained_again_has_no_step_twice(uri, spec, users, tmp_path):
    """As where Snakemake took its files away, or a hand did."""
    for _ in range(2):
        with Tracker(uri, spec, users, tmp_path) as tracker:
            time.sleep(0.1)
            tracker.log_history(make_records(5))
            tracker.log_scores({"AP": 12.5}, [])
    run = only_run(uri)
    found = histories(uri, run.info.run_id)
    assert found.keys() >= {"train_seconds", "loss", "AP"}
    assert all(len({step for step, _ in points}) == len(points) for points in found.values())
    assert float(run.data.tags["train_seconds"]) > run.data.metrics["train_seconds"]


def test_evaluation_goes_on_in_the_run_of_the_training(uri, spec, users, tmp_path):
    with Tracker(uri, spec, users, tmp_path) as tracker:
        tracker.log_history(make_records(5))
    trained = only_run(uri)
    (tmp_path / "scores.json").write_text("{}")
    for ap in (12.5, 12.5, 13.0):
        with Tracker(uri, spec, users, tmp_path) as tracker:
            tracker.log_scores({"AP": ap, "APL": None}, [tmp_path / "scores.json"])
    run = only_run(uri)
    assert run.info.run_id == trained.info.run_id
    assert run.info.status == "FINISHED"
    assert sorted(value for _, value in histories(uri, run.info.run_id)["AP"]) == [12.5, 13.0]
    assert run.data.metrics["AP"] == 13.0
    assert "APL" not in run.data.metrics
    assert run.data.metrics["train_seconds"] == trained.data.metrics["train_seconds"]
    assert (
        tmp_path / "results" / "mlartifacts" / "runs-smoke" / run.info.run_id / "artifacts" / "scores.json"
    ).exists()


def test_a_resumed_run_logs_no_step_twice_and_misses_none(uri, spec, users):
    records = make_records(450)
    killed = Tracker(uri, spec, users, Path("run")).__enter__()
    killed.log_history(records[:40])
    killed.log_history(records[:400])
    with Tracker(uri, spec, users, Path("run")) as resumed:
        # From the state before: done again, the same but for their times, by which MLflow would tell two points apart.
        again = [record | {"time": record["time"] + 1000} for record in records]
        resumed.log_history(again[:300])
        resumed.log_history(again)
    logged = histories(uri, only_run(uri).info.run_id)
    for key in ("lr", "loss", "loss_cls"):
        assert logged[key] == [(record["iteration"], record[key]) for record in records]


def test_after_sigkill_the_run_is_swept_and_goes_on_whole(uri, spec, users):
    started = SPAWN.Event()
    process = SPAWN.Process(target=log_until_killed, args=(uri, spec, users, started))
    process.start()
    assert started.wait(60)
    time.sleep(0.2)
    assert sweep(uri) == 0  # it lives
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert only_run(uri).info.status == "RUNNING"
    assert sweep(uri) == 1
    assert only_run(uri).info.status == "KILLED"
    assert sweep(uri) == 0

    done = histories(uri, only_run(uri).info.run_id)["loss"][-1][0]
    assert 5 <= done < 5000
    with Tracker(uri, spec, users, Path("run")) as tracker:
        tracker.log_history(make_records(done + 10))
    run = only_run(uri)
    assert run.info.status == "FINISHED"
    logged = histories(uri, run.info.run_id)
    assert [step for step, _ in logged["loss"]] == list(range(1, done + 11))
    assert [step for step, _ in logged["loss_cls"]] == list(range(1, done + 11))


def test_a_number_that_another_process_has_now_is_a_dead_process(uri, spec, users):
    log = Tracker(uri, spec, users, Path("run")).__enter__().log
    assert sweep(uri) == 0
    log.store.client.set_tag(log.id, "triplehead.pid_started", "1")
    assert sweep(uri) == 1


def test_runs_of_another_host_are_not_swept(uri, spec, users):
    log = Tracker(uri, spec, users, Path("run")).__enter__().log
    log.store.client.set_tag(log.id, "triplehead.host", "elsewhere")
    log.store.client.set_tag(log.id, "triplehead.pid_started", "1")
    assert sweep(uri) == 0
    assert only_run(uri).info.status == "RUNNING"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("diverged"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
        (SystemExit(0), "FINISHED"),
    ],
)
def test_how_a_job_ends_is_the_status_and_the_error_goes_on(uri, spec, users, error, status):
    with pytest.raises(type(error)), Tracker(uri, spec, users, Path("run")):
        raise error
    assert only_run(uri).info.status == status


def test_training_time_adds_up_over_resumes(uri, spec, users):
    killed = Tracker(uri, spec, users, Path("run")).__enter__()
    killed.entered -= 100  # as if it had begun 100 s earlier
    killed.log_history(make_records(2))
    with Tracker(uri, spec, users, Path("run")) as resumed:
        resumed.log_history(make_records(4))
        resumed.entered -= 50
    assert 150 <= only_run(uri).data.metrics["train_seconds"] < 170


def test_a_training_that_began_anew_with_other_values_replaces_the_old_curve(uri, spec, users):
    with Tracker(uri, spec, users, Path("run")) as tracker:
        tracker.log_history(make_records(10))
    old = only_run(uri).info.run_id
    changed = [record | {"loss": record["loss"] + 0.5} for record in make_records(4)]
    with Tracker(uri, spec, users, Path("run")) as tracker:
        tracker.log_history(changed)
    run = only_run(uri)
    assert run.info.run_id != old
    assert histories(uri, run.info.run_id)["loss"] == [(record["iteration"], record["loss"]) for record in changed]
    assert run.info.status == "FINISHED"
    assert run.data.tags["triplehead.pid"] == str(os.getpid())


def test_a_record_is_never_split_between_two_requests(uri, spec, users, monkeypatch):
    log = Tracker(uri, spec, users, Path("run")).__enter__().log
    requests = []
    monkeypatch.setattr(log.store.client, "log_batch", lambda _, metrics: requests.append(metrics))
    log.history(make_records(700))
    assert all(len(metrics) <= 1000 for metrics in requests)
    steps = [{metric.step for metric in metrics} for metrics in requests]
    assert sum(len(group) for group in steps) == len(set().union(*steps)) == 700
    assert sum(len(metrics) for metrics in requests) == 3 * 700


def test_a_row_that_no_longer_uses_the_run_is_not_named(uri, spec):
    for users in ([("table1", "K = 35"), ("table5", "JLA")], [("table5", "JLA")]):
        with Tracker(uri, spec, users, Path("run")):
            pass
    run = only_run(uri)
    assert "table1" not in run.data.tags
    assert run.data.tags["exhibits"] == "table5: JLA"
    assert run.info.run_name == "Table 5: JLA · seed 0"


def test_two_processes_side_by_side_lose_nothing(uri, plan):
    runs = [plan.runs[run_id] for run_id in list(plan.runs)[:2]]
    barrier = SPAWN.Barrier(2)
    processes = [SPAWN.Process(target=log_all, args=(uri, run.spec, run.users, 200, barrier)) for run in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    found = all_runs(uri)
    assert {run.data.tags["triplehead.run_id"] for run in found} == {run.id for run in runs}
    assert len(found) == 2
    for run in found:
        assert run.info.status == "FINISHED"
        expected = [(record["iteration"], record["loss"]) for record in make_records(200)]
        assert histories(uri, run.info.run_id)["loss"] == expected


def test_a_server_that_is_down_is_one_warning_within_seconds(spec, users, capsys):
    began = time.monotonic()
    with Tracker("http://user:secret@127.0.0.1:9", spec, users, Path("run")) as tracker:
        tracker.log_history(make_records(3))
        tracker.log_scores({"AP": 1.0}, [])
    assert time.monotonic() - began < 8
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: MLflow (http://user:***@127.0.0.1:9): ")
    assert "secret" not in lines[0]


def test_a_store_that_fails_in_the_middle_ends_tracking_and_nothing_else(uri, spec, users, capsys, monkeypatch):
    def broken(self, records):
        raise OSError("database is locked")

    with Tracker(uri, spec, users, Path("run")) as tracker:
        monkeypatch.setattr(RunLog, "history", broken)
        tracker.log_history(make_records(3))
        tracker.log_history(make_records(6))
    assert capsys.readouterr().err.count("database is locked") == 1


def test_a_store_that_was_not_created_is_a_warning_and_is_not_made(tmp_path, spec, users, capsys):
    with Tracker(f"sqlite:///{tmp_path}/mlflow.db", spec, users, Path("run")) as tracker:
        tracker.log_history(make_records(3))
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_store_nothing_happens(spec, users, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Tracker(None, spec, users, Path("run")) as tracker:
        tracker.log_history(make_records(3))
        tracker.log_environment({"torch": "2"})
        tracker.log_scores({"AP": 1.0}, [])
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []
