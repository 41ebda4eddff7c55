"""Against a real server: the same calls over HTTP."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from tests.tracking.helpers import all_runs, histories, make_records, make_table, only_run

from triplehead.tracking import store
from triplehead.tracking.rebuild import rebuild
from triplehead.tracking.run import Tracker


@pytest.fixture
def server(empty_store, tmp_path):
    file = tmp_path / "server.db"
    file.write_bytes(empty_store.read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{file}", "--artifacts-destination", str(tmp_path / "kept")]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=tmp_path)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


@pytest.mark.slow
def test_the_same_calls_over_http(server, plan, spec, users, tmp_path, capsys):
    store.create(server, plan)
    folder = tmp_path / "results" / "runs" / spec.id
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(spec.model_dump_json())
    (folder / "scores.json").write_text('{"AP": 12.5}')
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
        assert len(all_runs(server)) == 1 + len(plan.exhibits["table5"].rows)
        assert run.info.run_id not in {found.info.run_id for found in all_runs(server)}
    assert capsys.readouterr().err == ""
