"""Faults other than kills: of disks, of people, of several processes at once; and the tests that are faults."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from tests.torture.checks import logged, lost
from tests.torture.kills import Study
from tests.torture.outcome import Outcome, outcome
from tests.torture.project import PATIENCE, ROOT, tree_killed

from triplehead.engine import checkpoint
from triplehead.errors import InputError
from triplehead.tracking.store import create, sqlite_uri

PROCESSES, RECORDS = 8, 200
WRITER = f"""
import sys, time
from pathlib import Path
from tests.helpers import changed
from triplehead.plan.plan import load_plan
from triplehead.tracking.run import Tracker
uri, number = sys.argv[1], int(sys.argv[2])
spec = changed(next(iter(load_plan({{"scale": "smoke"}}).runs.values())).spec, seed=number)
with Tracker(uri, spec, [], Path(".")) as tracker:
    for done in range(20, {RECORDS} + 1, 20):
        tracker.log_history([dict(iteration=i, lr=0.1, time=time.time(), loss=float(i)) for i in range(1, done + 1)])
    assert tracker.log is not None, "gave up"
"""


def full_disk(name: str, folder: Path) -> Outcome:
    """A state that does not fit: one line, no half-written file, and the state before is still there."""
    with _Tmpfs(folder, "size=1m") as mounted:
        if not mounted:
            return Outcome(name, skipped="needs root and mount")
        state = folder / "state.pt"
        checkpoint.save_state(state, "run", data="d", step=1)
        problems = _refused(lambda: checkpoint.save_state(state, "run", data="d", step=2, much=bytes(4 << 20)))
        if checkpoint.load_state(state, "run", "d")["step"] != 1:
            problems.append("the state before is gone")
        problems += [f"{path.name} is left over" for path in folder.iterdir() if path.name.endswith(".tmp")]
        return outcome(name, problems)


def read_only(name: str, folder: Path) -> Outcome:
    """A folder that turned read-only while a study ran: one line, and what lies there stays."""
    with _Tmpfs(folder, "size=4m") as mounted:
        if not mounted:
            return Outcome(name, skipped="needs root and mount")
        checkpoint.save_state(folder / "state.pt", "run", data="d", step=1)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        problems = _refused(lambda: checkpoint.save_state(folder / "state.pt", "run", data="d", step=2))
        if checkpoint.load_state(folder / "state.pt", "run", "d")["step"] != 1:
            problems.append("the state before is gone")
        return outcome(name, problems)


def many_writers(name: str, folder: Path) -> Outcome:
    """Every record of every process is there once."""
    uri = sqlite_uri(folder / "mlflow.db")
    create(uri)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", WRITER, uri]
    writers = [
        subprocess.Popen([*command, str(number)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    problems = []
    for number, writer in enumerate(writers):
        said = writer.communicate(timeout=PATIENCE)[1]
        if writer.returncode:
            problems.append(f"process {number} ended with {writer.returncode}: {said.strip().splitlines()[-1:]}")
    runs = logged(uri)
    if len(runs) != PROCESSES:
        problems.append(f"{len(runs)} runs, expected {PROCESSES}")
    expected = tuple((step, float(step)) for step in range(1, RECORDS + 1))
    for _, run, status, metrics in runs:
        if status != "FINISHED":
            problems.append(f"{run} is {status}")
        if dict(metrics).get("loss") != expected:
            problems.append(f"{run} has {len(dict(metrics).get('loss', ()))} records, expected {RECORDS}")
    return outcome(name, problems)


def second_snakemake(name: str, study: Study) -> Outcome:
    """The second one in a folder says so and does nothing; the first one ends as ever."""
    study.project.clean()
    first = study.project.start()
    locks, deadline = study.project.folder / ".snakemake" / "locks", time.monotonic() + PATIENCE
    while not any(locks.glob("*")) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.1)
    second = study.project.call()
    problems = [] if second.returncode else ["the second ran"]
    if "cannot be locked" not in second.stdout + second.stderr:
        problems.append("the second did not say why")
    recover = study.project.call(sys.executable, "-m", "triplehead", "recover")
    if recover.returncode != 2 or "is at work here" not in recover.stderr:
        problems.append("recover did not refuse")
    try:
        status = first.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        tree_killed(first)
        status = "no end"
    problems += [] if status == 0 else [f"the first ended with {status}"]
    return outcome(name, problems or lost(study.project.folder, study.state))


def edited(name: str, study: Study) -> Outcome:
    """A number that was changed by hand is named by `triplehead verify`; taken away, it is made anew."""
    table = study.project.folder / "results" / "table1.csv"
    if problem := _complete(study):
        return outcome(name, [problem])
    verify = (sys.executable, "-m", "triplehead", "verify")
    problems = [] if study.project.call(*verify).returncode == 0 else ["verify complains of what is whole"]
    table.write_text(table.read_text().replace("0.", "1.", 1))
    said = study.project.call(*verify)
    if said.returncode != 1 or "results/table1.csv is not what `table/table1` made" not in " ".join(
        said.stdout.split()
    ):
        problems.append(f"verify did not name it: status {said.returncode}")
    table.unlink()
    if problem := _complete(study):
        problems.append(problem)
    return outcome(name, problems or lost(study.project.folder, study.state))


def deleted(name: str, study: Study) -> Outcome:
    """A table, a figure and what a table is made from are taken away: made anew, the same."""
    if problem := _complete(study):
        return outcome(name, [problem])
    results = study.project.folder / "results"
    for file in (
        results / "table1.csv",
        results / "fig_learning_curves.pdf",
        next(results.glob("runs/*/replicates.npz")),
    ):
        file.unlink()
    problem = _complete(study)
    return outcome(name, [problem] if problem else lost(study.project.folder, study.state))


def tests(*places: str, **environment: str) -> Callable[[str, Path], Outcome]:
    """Tests of ours as faults: each test or set of random cases is one that was tried."""

    def run(name: str, folder: Path) -> Outcome:
        command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={folder / 'found.xml'}", *places]
        path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path} | environment, capture_output=True, text=True
        )
        if not (folder / "found.xml").is_file():
            return outcome(name, [f"pytest ended with {done.returncode}: {done.stdout[-300:]}"])
        cases = list(ElementTree.parse(folder / "found.xml").iter("testcase"))
        tried = [case for case in cases if case.find("skipped") is None]
        failed = [
            case.get("name") for case in tried if case.find("failure") is not None or case.find("error") is not None
        ]
        return Outcome(name, len(tried), len(tried) - len(failed), [f"{each} failed" for each in failed])

    return run


def _complete(study: Study) -> str | None:
    done = study.project.call()
    return f"Snakemake ended with {done.returncode}: {done.stderr[-300:]}" if done.returncode else None


def _refused(action: Callable[[], None]) -> list[str]:
    try:
        action()
    except InputError as error:
        return [] if "cannot be written" in str(error) and "\n" not in str(error) else [f"said: {error}"]
    return ["nothing was said"]


class _Tmpfs:
    """A small file system at `folder`; False where this user may not mount one."""

    def __init__(self, folder: Path, options: str):
        self.folder, self.options = folder, options

    def __enter__(self) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder)]
        try:
            self.mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            self.mounted = False
        return self.mounted

    def __exit__(self, *_) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


CASES = "2500"  # random cases a kind of file in the long form
HOSTILE = ("tests/data/test_unpack.py", "tests/data/test_voc.py", "tests/data/test_hostile_images.py")
# name, what to do, whether the short form does it too
APART = [
    ("full disk", full_disk, True),
    ("folder turned read-only", read_only, True),
    ("checkpoint truncated, flipped or gone", tests("tests/engine/test_checkpoint.py"), True),
    ("8 processes on one SQLite store", many_writers, True),
    ("a clone beside another on one MLflow server", tests("tests/tracking/test_tracking_server.py"), False),
    ("hostile archives, XML and images", tests(*HOSTILE), False),
    ("hostile names and paths, servers, telemetry", tests("tests/test_security.py"), False),
    ("downloads cut, swapped or damaged", tests("tests/data/test_download.py", "tests/data/test_archives.py"), False),
    ("a loss that diverges", tests("tests/workflow/test_diverged.py"), False),
    (f"files at random, {CASES} cases each", tests("tests/fuzz/test_fuzz_readers.py", TRIPLEHEAD_FUZZ=CASES), False),
    ("boxes at random, 500 cases each", tests("tests/fuzz/test_fuzz_assigners.py", TRIPLEHEAD_FUZZ="500"), False),
]  # fmt: skip
ON_STUDY = [
    ("two Snakemakes in one folder", second_snakemake, False),
    ("results edited by hand", edited, False),
    ("results deleted", deleted, False),
]
