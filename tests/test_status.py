"""What `triplehead status` reads from the files of a study."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from triplehead import paths
from triplehead.locking import exclusive
from triplehead.plan.cost import estimate
from triplehead.plan.plan import Plan, load_plan
from triplehead.status import RunStatus, status


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan({"scale": "smoke", "seeds": 1})


def finish(root: Path, run: str, took: float | None = None) -> None:
    folder = root / paths.RUNS / run
    folder.mkdir(parents=True)
    for name in paths.RUN_FILES:
        (folder / name).touch()
    if took is not None:
        name = base64.b64encode(str(paths.RUNS / run / "scores.json").encode(), altchars=b"-_").decode()
        (root / ".snakemake" / "metadata").mkdir(parents=True, exist_ok=True)
        (root / ".snakemake" / "metadata" / name).write_text(json.dumps({"starttime": 100.0, "endtime": 100.0 + took}))


def write_log(root: Path, run: str, text: str, age: float = 0) -> Path:
    log = root / paths.LOGS / "train" / f"{run}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text)
    os.utime(log, (time.time() - age,) * 2)
    return log


def of(found, run: str) -> RunStatus:
    return next(each for each in found.runs if each.id == run)


def test_nothing_yet_is_all_left(plan, tmp_path):
    found = status(plan, tmp_path, cores=2)
    assert found.counts == {"done": 0, "running": 0, "failed": 0, "left": len(plan.runs)}
    assert found.seconds_left == pytest.approx(estimate(plan).wall(2 // plan.scale.cpus_of("train")))
    assert {each.state for each in found.exhibits if each.runs} == {"waiting"}


def test_a_run_is_running_while_its_lock_is_held_and_left_when_it_was_killed(plan, tmp_path):
    run = next(iter(plan.runs))
    write_log(tmp_path, run, "6/30  8 s left  loss 1.0\n12/30  5 s left  loss 0.9\n")
    with exclusive(run, tmp_path / paths.LOCKS):
        found = of(status(plan, tmp_path), run)
    assert (found.state, found.step, found.seconds_left) == ("running", 12, 5)
    killed = of(status(plan, tmp_path), run)
    assert (killed.state, killed.step, killed.seconds_left) == ("left", 12, None)


def test_a_log_just_begun_is_a_run_that_loads_its_libraries(plan, tmp_path):
    young, old = list(plan.runs)[:2]
    write_log(tmp_path, young, "")
    write_log(tmp_path, old, "", age=3600)
    found = status(plan, tmp_path)
    assert (of(found, young).state, of(found, old).state) == ("running", "left")


def test_a_failed_run_shows_the_end_of_its_log_and_its_path(plan, tmp_path):
    run = next(iter(plan.runs))
    log = write_log(tmp_path, run, "6/30  8 s left  loss 1.0\nerror: x.jpg: cannot be read\n")
    found = of(status(plan, tmp_path), run)
    assert found.state == "failed" and found.log == str(log)
    assert found.last_lines[-1] == "error: x.jpg: cannot be read"


def test_an_exhibit_is_complete_when_its_runs_are_done_and_its_files_are_younger(plan, tmp_path):
    runs = plan.run_ids("table8")
    for run in runs[:-1]:
        finish(tmp_path, run)

    def table8():
        return next(each for each in status(plan, tmp_path).exhibits if each.name == "table8")

    assert (table8().state, table8().done, table8().runs) == ("waiting", len(runs) - 1, len(runs))
    finish(tmp_path, runs[-1])
    assert table8().state == "to be written"
    for suffix in ("csv", "tex"):
        (tmp_path / paths.RESULTS / f"table8.{suffix}").write_text("scale\nsmoke\n")
    assert table8().state == "complete"
    (tmp_path / paths.RESULTS / "table8.csv").write_text("scale\nproxy\n")
    assert table8().state == "to be written"
    (tmp_path / paths.RESULTS / "table8.csv").write_text("scale\nsmoke\n")
    late = time.time() + 60
    os.utime(tmp_path / paths.RUNS / runs[0] / "scores.json", (late, late))
    assert table8().state == "to be written"


def test_what_is_left_takes_as_long_as_what_is_done_did(plan, tmp_path):
    first, *rest = plan.runs
    planned = estimate(plan).runs
    finish(tmp_path, first, took=3 * planned[first])
    found = status(plan, tmp_path, cores=1)
    assert of(found, first).took == pytest.approx(3 * planned[first])
    assert found.seconds_left == pytest.approx(3 * sum(planned[run] for run in rest))


def test_the_command_fits_80_columns_imports_no_torch_and_has_json():
    code = "import sys; from triplehead.cli import main\ntry: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    arguments = ["status", "-c", "scale=smoke"]
    narrow = os.environ | {"COLUMNS": "80"}
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=narrow)
    assert result.returncode == 0 and result.stderr.strip() == "False"
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "table5" in result.stdout and "…" not in result.stdout
    command = [sys.executable, "-m", "triplehead", *arguments, "--json"]
    document = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    assert len(document["runs"]) == sum(document["counts"].values()) == len(load_plan({"scale": "smoke"}).runs)
