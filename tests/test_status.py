"""What `triplehead status` reads from the files of a study."""

import base64
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from triplehead import paths
from triplehead.analysis.tables import table_frame, write_csv
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


@contextmanager
def snakemake(root: Path, child: list[str] | None = None):
    """A process in `root` that goes by Snakemake's name, with one below it."""
    wait = f"subprocess.run({[sys.executable, *child]!r})" if child else "print(flush=True); input()"
    (root / "snakemake").write_text(f"import subprocess; {wait}")
    command = [sys.executable, "snakemake", "--cores", "2"]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield
        process.communicate(b"\n")


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
    with snakemake(tmp_path):
        found = status(plan, tmp_path)
        assert (of(found, young).state, of(found, old).state) == ("running", "left")
    assert of(status(plan, tmp_path), young).state == "left"  # all was killed


def test_what_comes_after_the_runs_is_said_with_what_is_at_work(plan, tmp_path):
    for run in plan.runs:
        finish(tmp_path, run)
    figures = sum(exhibit.kind == "figure" for exhibit in plan.exhibits.values())
    tables = len(plan.exhibits) - figures
    left = status(plan, tmp_path)
    assert left.to_write == (f"{tables} tables", f"{figures} figures", "speed", "claims", "report")
    assert left.at_work == ()
    (tmp_path / "triplehead").write_text("print(flush=True); input()")
    with snakemake(tmp_path, child=["triplehead", "table", "table5"]):
        assert status(plan, tmp_path).at_work == ("table table5",)
    for suffix in ("csv", "tex"):
        (tmp_path / paths.RESULTS / f"table8.{suffix}").write_text("scale\nsmoke\n")
    (tmp_path / "reports").mkdir()
    for file in (paths.RESULTS / "claims.csv", Path("reports/report.pdf"), Path("reports/report.html")):
        (tmp_path / file).touch()
    assert status(plan, tmp_path).to_write == (f"{tables - 1} tables", f"{figures} figures", "speed")
    newest = time.time() + 60
    os.utime(tmp_path / paths.RUNS / run / "scores.json", (newest, newest))
    assert status(plan, tmp_path).to_write[-1] == "report"


def test_counts_of_parameters_are_of_any_scale(plan, tmp_path):
    results = tmp_path / paths.RESULTS
    results.mkdir()
    write_csv(table_frame(plan, "table4", results / "runs"), results / "table4.csv")
    (results / "table4.tex").touch()
    assert next(each for each in status(plan, tmp_path).exhibits if each.name == "table4").state == "complete"


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


def test_data_and_backbones_are_jobs_too(plan, tmp_path):
    data, waiting = list(plan.data)[:2]
    backbone = next(iter(plan.pretrained))
    made = tmp_path / paths.DATA / data / "manifest.json"
    made.parent.mkdir(parents=True)
    made.touch()
    log = tmp_path / paths.LOGS / "pretrain" / f"{backbone}.log"
    log.parent.mkdir(parents=True)
    log.write_text("error: x.jpg: cannot be read\n")
    with exclusive(waiting, tmp_path / paths.LOCKS):
        found = {each.id: each for each in status(plan, tmp_path).preparation}
    assert (found[data].state, found[waiting].state, found[backbone].state) == ("done", "running", "failed")
    assert (found[data].label, found[backbone].label) == (f"data {data}", f"backbone {backbone}")
    assert found[backbone].last_lines == ("error: x.jpg: cannot be read",)
    assert found.keys() == {*plan.data, *plan.pretrained}


def test_as_many_at_once_as_the_snakemake_here_has_cores_for(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    (tmp_path / "snakemake").write_text("print(flush=True); input()")
    command = [sys.executable, "snakemake", "--cores", "5", "reproduce_all"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert status(plan, tmp_path, cores=2).workers == 5
        process.communicate(b"\n")
    assert status(plan, tmp_path, cores=2).workers == 2


@pytest.mark.parametrize("log", ["", "6/30  8 s left  loss 1.0\n", "30/30  0 s left  loss 1.0\n"])
def test_a_run_that_says_nothing_is_counted_down(plan, tmp_path, log):
    """While it loads, between two lines and while it evaluates: the end must not move away from look to look."""
    first, run = list(plan.runs)[:2]
    finish(tmp_path, first, took=2 * estimate(plan).runs[first])
    write_log(tmp_path, run, log)
    with exclusive(run, tmp_path / paths.LOCKS):
        looks = [status(plan, tmp_path, cores=1, now=time.time() + later).seconds_left for later in (0, 2, 4)]
    assert looks[0] - looks[1] == pytest.approx(2, abs=0.2) and looks[1] - looks[2] == pytest.approx(2, abs=0.2)


class Machine:
    """Two workers that take the plan's runs one after the other, each 1.7 times as long as planned, give or take a
    fifth: what stands on the disk at a moment, of time that only the test has."""

    def __init__(self, plan: Plan, root: Path):
        self.plan, self.root, self.planned = plan, root, estimate(plan)
        self.spans, free = {}, [0.0, 0.0]
        for index, (run, seconds) in enumerate(self.planned.runs.items()):
            start = min(free)
            self.spans[run] = start, start + 1.7 * seconds * (0.8 + 0.1 * (index * 7 % 5))
            free[free.index(start)] = self.spans[run][1]
        self.end = max(free)

    def at(self, now: float, locks: ExitStack) -> None:
        for run, (start, end) in self.spans.items():
            if end <= now:
                finish(self.root, run, took=end - start)
            elif start <= now:
                locks.enter_context(exclusive(run, self.root / paths.LOCKS))
                self._log(run, start, end, now)

    def _log(self, run: str, start: float, end: float, now: float) -> None:
        """A quarter of a run is its start, a quarter its evaluation; a line each tenth of the steps between."""
        begun, done = start + (end - start) / 4, end - (end - start) / 4
        tenths = max(0, min(10, int(10 * (now - begun) / (done - begun))))
        steps = self.plan.runs[run].spec.schedule.iterations
        left = (done - begun) * (1 - tenths / 10)
        write_log(self.root, run, f"{steps * tenths // 10}/{steps}  {left:.0f} s left  loss 1.0\n" if tenths else "")
        written = begun + (done - begun) * tenths / 10 if tenths else start
        os.utime(self.root / paths.LOGS / "train" / f"{run}.log", (written, written))


def test_the_end_stays_where_it_is_from_look_to_look(plan, tmp_path):
    machine = Machine(plan, tmp_path / "never")
    ends = {}
    for tenth in range(1, 20):
        root, now = tmp_path / str(tenth), machine.end * tenth / 20
        machine.root = root
        with ExitStack() as locks:
            machine.at(now, locks)
            ends[tenth] = now + status(plan, root, cores=2, now=now).seconds_left
    off = {tenth: end / machine.end - 1 for tenth, end in ends.items()}
    assert abs(off.pop(1)) < 0.15 and max(abs(each) for each in off.values()) < 0.1, off
    assert max(abs(off[tenth] - off[tenth + 1]) for tenth in range(2, 19)) < 0.08, off


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
