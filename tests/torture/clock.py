"""A clock that is set back while a study runs: what was made before lies in the future."""

import os
import time

from tests.torture.checks import lost
from tests.torture.kills import Study
from tests.torture.outcome import Outcome, outcome
from tests.torture.project import PATIENCE, tree_killed

DAY = 86_400  # seconds


def set_back(name: str, study: Study) -> Outcome:
    """By a day, after the first training state: Snakemake takes what is older than its inputs for failed, or makes it
    again and again. The same command ends, with the same bytes, and has then nothing left to do."""
    project = study.project
    project.clean()
    process, deadline = project.start(), time.monotonic() + PATIENCE
    while not any(project.folder.glob("results/scratch/*/*.pt")) and process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    tree_killed(process)
    for path in project.folder.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() + DAY,) * 2)
    done = project.call()
    if done.returncode:
        return outcome(name, [f"Snakemake ended with {done.returncode}: {done.stderr[-600:]}"])
    again = project.call()
    problems = [] if "Nothing to be done" in again.stdout + again.stderr else ["it would run for ever"]
    return outcome(name, problems + lost(project, study.state))
