"""What people and several processes at once may do to a study; and the tests that are faults."""

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

from triplehead.tracking.store import create, sqlite_uri

PROCESSES, RECORDS = 8, 200
WRITERS = f"""
import multiprocessing, sys, time
from pathlib import Path
import mlflow.tracking
from tests.helpers import changed
from triplehead.plan.plan import load_plan
from triplehead.tracking.run import Tracker
first = next(iter(load_plan({{"scale": "smoke"}}).runs.values())).spec
def write(number):
    with Tracker(sys.argv[1], changed(first, seed=number), [], Path(".")) as tracker:
        for done in range(20, {RECORDS} + 1, 20):
            tracker.log_history([dict(iteration=i, lr=0.1, time=time.time(), loss=float(i)) for i in range(1, done + 1)])
        assert tracker.log is not None, "gave up"
fork = multiprocessing.get_context("fork")  # what takes long is to import MLflow
writers = [fork.Process(target=write, args=(number,)) for number in range({PROCESSES})]
for writer in writers:
    writer.start()
for number, writer in enumerate(writers):
    writer.join()
    if writer.exitcode:
        print(f"process {{number}} ended with {{writer.exitcode}}")
"""


def many_writers(name: str, folder: Path) -> Outcome:
    """Every record of every process is there once."""
    uri = sqlite_uri(folder / "mlflow.db")
    create(uri)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, uri],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    problems = done.stdout.splitlines()
    if done.returncode:
        problems.append(f"ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    runs = logged(uri)
    if len(runs) != PROCESSES:
        problems.append(f"{len(runs)} runs, expected {PROCESSES}")
    expected = tuple((step, float(step)) for step in range(1, RECORDS + 1))
    for _, run, status, metrics, *_ in runs:
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
    return outcome(name, problems or lost(study.project, study.state))


def edited(name: str, study: Study) -> Outcome:
    """A number that was changed by hand is named by `triplehead verify` and the report; taken away, it is made anew."""
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
    page = study.project.folder / "reports" / "report.html"
    if study.project.call(sys.executable, "-m", "triplehead", "report").returncode or "results/table1.csv" not in (
        page.read_text()
    ):
        problems.append("the report does not name it")
    table.unlink()
    if problem := _complete(study):
        problems.append(problem)
    return outcome(name, problems or lost(study.project, study.state))


def deleted(name: str, study: Study) -> Outcome:
    """A table, a figure, what a table is made from, a curve and a whole run are taken away: named, and made anew, the
    same."""
    if problem := _complete(study):
        return outcome(name, [problem])
    results = study.project.folder / "results"
    first, second, *_ = sorted(results.glob("runs/*/"))
    files = [
        results / "table1.csv",
        results / "fig_learning_curves.pdf",
        first / "replicates.npz",
        *second.iterdir(),
    ]
    problems = _deleted(study, files)
    problems += _deleted(study, [first / "history.csv"])
    return outcome(name, problems or lost(study.project, study.state))


def _deleted(study: Study, files: list[Path]) -> list[str]:
    for file in files:
        file.unlink()
    said = study.project.call(sys.executable, "-m", "triplehead", "verify")
    names = {str(file.relative_to(study.project.folder)) for file in files}
    problems = [] if said.returncode == 1 else [f"verify has status {said.returncode}"]
    problems += [f"verify does not name {name}" for name in sorted(names) if f"{name} is gone" not in said.stdout]
    problem = _complete(study)
    return [*problems, problem] if problem else problems


def tests(*places: str, **environment: str) -> Callable[[str, Path], Outcome]:
    """Tests of ours as faults: each test or set of random cases is one that was tried."""

    def run(name: str, folder: Path) -> Outcome:
        command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={folder / 'found.xml'}", *places]
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH")]))
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": path} | environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return outcome(name, [f"no end within {PATIENCE} s"])
        if not (folder / "found.xml").is_file():
            return outcome(name, [f"pytest ended with {done.returncode}: {done.stdout[-300:]}"])
        cases = list(ElementTree.parse(folder / "found.xml").iter("testcase"))
        tried = [case for case in cases if case.find("skipped") is None]
        if not cases:
            return outcome(name, ["there is no such test"])
        if not tried:
            return Outcome(name, skipped="as its tests are here")
        failed = [
            case.get("name") for case in tried if case.find("failure") is not None or case.find("error") is not None
        ]
        return Outcome(name, len(tried), len(tried) - len(failed), [f"{each} failed" for each in failed])

    return run


def _complete(study: Study) -> str | None:
    done = study.project.call()
    return f"Snakemake ended with {done.returncode}: {done.stderr[-300:]}" if done.returncode else None


def watched(name: str, study: Study) -> Outcome:
    """No process of the undisturbed study spoke to another machine, looked one up, or listened to others."""
    found = study.connections.read_text().splitlines()
    problems = [] if found.count("watched") > PROCESSES else ["its processes were not watched"]
    return outcome(name, problems + sorted(set(found) - {"watched"}))
