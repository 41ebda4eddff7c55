"""A clock that is set back: what was made before lies in the future."""

import os
import subprocess
import time
from pathlib import Path

from tests.torture.checks import lost
from tests.torture.kills import Study
from tests.torture.outcome import Outcome, outcome
from tests.torture.project import PATIENCE, Project, tree_killed

DAY = 86_400  # seconds


def set_back(name: str, study: Study) -> Outcome:
    """By a day, of a study that was killed after its first training state: Snakemake takes what is older than its
    inputs for failed, or makes it again and again. The same command ends, with the same bytes, and has then nothing
    left to do."""
    project = study.project
    project.clean()
    process = project.start()
    _trained(project, process)
    tree_killed(process)
    _into_the_future(project.folder)
    return _ends(name, study, [])


def set_back_at_work(name: str, study: Study) -> Outcome:
    """By a day, while the study trains: what it makes from now on is older than what it is made from. It may end; the
    same command goes on from the states that there are."""
    project = study.project
    project.clean()
    process = project.start()
    _trained(project, process)
    _into_the_future(project.folder / "results" / "data")
    _into_the_future(project.folder / "results" / "pretrained")
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        tree_killed(process)
        return outcome(name, ["it did not end"])
    steps = project.steps()
    problems = [f"{run} has no state left" for run, step in steps.items() if step and not project.is_kept(run)]
    return _ends(name, study, problems)


def _trained(project: Project, process) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(project.folder.glob("results/scratch/*/*.pt")) and process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)


def _into_the_future(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() + DAY,) * 2)


def _ends(name: str, study: Study, problems: list[str]) -> Outcome:
    done = study.project.call()
    if done.returncode:
        return outcome(name, [*problems, f"Snakemake ended with {done.returncode}: {done.stderr[-600:]}"])
    again = study.project.call()
    problems += [] if "Nothing to be done" in again.stdout + again.stderr else ["it would run for ever"]
    return outcome(name, problems + lost(study.project, study.state))
