"""A team's store: MLflow's server on a real PostgreSQL, our client as ever, several writers at once."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.tracking.helpers import all_runs, free_port, histories, make_records, tracking_server

from triplehead.plan.plan import load_plan
from triplehead.tracking import store
from triplehead.tracking.rebuild import sweep

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
WRITERS, RECORDS = 4, 1000
WRITE = """
import sys
from pathlib import Path
from tests.tracking.helpers import make_records
from triplehead.plan.plan import load_plan
from triplehead.tracking.run import Tracker
address, run_id, records, folder = sys.argv[1:]
plan = load_plan({"scale": "smoke"})
with Tracker(address, plan.run(run_id), plan.runs[run_id].users, Path(folder)) as tracker:
    for done in range(250, int(records) + 1, 250):
        tracker.log_history(make_records(done))
    tracker.log_scores({"AP": 12.5}, [Path("README.md")])
"""


def find_tools() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps them off PATH."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    needed = ("initdb", "postgres", "pg_isready")
    return next((folder for folder in folders if all((folder / name).exists() for name in needed)), None)


@pytest.fixture(scope="module")
def postgres():
    """The URI of a database that asks for a password, on this machine's loopback."""
    tools = find_tools()
    if tools is None:
        pytest.skip("PostgreSQL: not installed (apt-get install postgresql)")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2: not installed (pip install -e .[postgres])")
    user = None
    if os.getuid() == 0:  # whom initdb refuses
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("root needs a user postgres to run it as")
    folder = Path(tempfile.mkdtemp(prefix="triplehead-postgres-"))
    (folder / "password").write_text("a secret\n")
    if user:
        shutil.chown(folder, user)
        shutil.chown(folder / "password", user)
    port = free_port()
    make = [tools / "initdb", "-D", folder / "data", "-U", "team", "-A", "scram-sha-256", "--no-sync"]
    serve = [tools / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port)]
    subprocess.run(
        [*make, f"--pwfile={folder / 'password'}"], user=user, cwd=folder, check=True, capture_output=True, timeout=120
    )
    process = subprocess.Popen(serve, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        ready = [tools / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, capture_output=True).returncode:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        yield f"postgresql://team:a%20secret@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    """(address, folder of the artifacts)."""
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(postgres, folder, workers=2) as address:
        yield address, folder / "kept"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """On a server that others share a study has an id, below its results folder."""
    (tmp_path / "results").mkdir()
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    (tmp_path / "README.md").touch()
    monkeypatch.chdir(tmp_path)


def test_writers_at_once_lose_nothing(server, plan, tmp_path):
    address, kept = server
    store.create(address, plan)
    runs = [plan.specs["table5", row.label][0].id for row in plan.exhibits["table5"].rows[:WRITERS]]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, address, run, str(RECORDS), str(tmp_path)],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            stderr=subprocess.PIPE, text=True,
        )
        for run in runs
    ]  # fmt: skip
    said = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS, said
    assert said == [""] * WRITERS  # a failed store is a warning
    expected = [(record["iteration"], record["loss"]) for record in make_records(RECORDS)]
    found = {run.data.tags["triplehead.run_id"]: run for run in all_runs(address)}
    assert set(found) == set(runs)
    for run in found.values():
        assert run.info.status == "FINISHED" and run.data.metrics["AP"] == 12.5
        assert histories(address, run.info.run_id)["loss"] == expected
    assert len(list(kept.rglob("README.md"))) == WRITERS


def test_the_smoke_scales_jobs_log_through_it(server, tmp_path):
    """Snakemake, the rules and the commands as ever; the address is all that differs."""
    address, kept = server
    for name in ("workflow", "profiles", "reports", "Snakefile", "environment.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    run = load_plan({"scale": "smoke"}).specs["table7", "FCOS"][0].id
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1", f"results/runs/{run}/scores.json"]
    done = subprocess.run(
        [*command, "--config", "scale=smoke", f"tracking_uri={address}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "results" / "mlflow.db").exists()
    (found,) = [each for each in all_runs(address) if each.data.tags["triplehead.run_id"] == run]
    assert found.info.status == "FINISHED" and "AP" in found.data.metrics
    assert len(histories(address, found.info.run_id)["loss"]) == 30
    assert {"spec.json", "scores.json", "history.csv"} <= {file.name for file in kept.rglob("*") if file.is_file()}
    assert sweep(address) == 0


def test_a_wrong_password_is_one_line_without_it(postgres):
    wrong = postgres.replace("a%20secret", "guessed")
    with pytest.raises(store.InputError, match="no usable MLflow store") as raised:
        store.create(wrong)
    assert "guessed" not in str(raised.value) and "\n" not in str(raised.value)
