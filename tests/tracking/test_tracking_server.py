"""Against a real server: the same calls over HTTP."""

import pytest
from tests.tracking.helpers import all_runs, histories, make_records, make_table, only_run, tracking_server

from triplehead.tracking import store
from triplehead.tracking.rebuild import rebuild
from triplehead.tracking.run import Tracker


@pytest.fixture
def server(empty_store, tmp_path):
    file = tmp_path / "server.db"
    file.write_bytes(empty_store.read_bytes())
    with tracking_server(f"sqlite:///{file}", tmp_path) as address:
        yield address


@pytest.mark.slow
def test_the_same_calls_over_http(server, plan, spec, users, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "runs" / spec.id
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(spec.model_dump_json())
    (folder / "scores.json").write_text('{"AP": 12.5}')
    store.create(server, plan)
    killed = Tracker(server, spec, users, folder).__enter__()
    killed.log_history(make_records(400))
    with Tracker(server, spec, users, folder) as tracker:
        tracker.log_history(make_records(450))
        tracker.log_scores({"AP": 12.5}, [folder / "spec.json"])
    run = only_run(server)
    assert run.info.status == "FINISHED"
    logged = histories(server, run.info.run_id)
    assert logged["loss"] == [(record["iteration"], record["loss"]) for record in make_records(450)]
    assert [file.path for file in store.client(server).list_artifacts(run.info.run_id)] == ["spec.json"]

    table = make_table(plan, tmp_path / "results")
    for _ in range(2):
        rebuild(server, plan, tmp_path / "results", {"table5": table})
        assert len(all_runs(server)) == 1 + 1 + len(plan.exhibits["table5"].rows)  # training, its copy below the row
        assert run.info.run_id not in {found.info.run_id for found in all_runs(server)}
    assert capsys.readouterr().err == ""
