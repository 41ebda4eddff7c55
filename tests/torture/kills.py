"""The study killed at random moments and started again by the same command."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.torture.checks import State, lost, state
from tests.torture.outcome import Outcome
from tests.torture.project import PATIENCE, Project, interrupted, job_killed, terminated, tree_killed

IN_A_ROW = 6  # kills of one study, at most, before it may end
STRIKES: dict[str, Callable[[subprocess.Popen], None]] = {
    "SIGKILL to the whole process tree": tree_killed,
    "SIGTERM to the session": terminated,
    "SIGINT to the process group": interrupted,
    "SIGKILL to one job's process": job_killed,
}


class Study:
    """An undisturbed study, its state and how long it took."""

    def __init__(self, folder: Path):
        self.project = Project(folder)
        begun = time.monotonic()
        done = self.project.call()
        if done.returncode:
            raise RuntimeError(f"the undisturbed study failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        self.seconds = time.monotonic() - begun
        self.state: State = state(folder)


def killed(study: Study, name: str, count: int, rng: random.Random) -> Outcome:
    """`count` kills, up to IN_A_ROW in each study; survived are those whose study ended as the undisturbed one."""
    survived, problems, tried = 0, [], 0
    while tried < count:
        study.project.clean()
        wanted = rng.randint(1, min(IN_A_ROW, count - tried))
        kills = sum(1 for _ in _disturb(study, STRIKES[name], wanted, rng))
        found = _finish(study)
        tried += kills
        if found:
            problems += found
        else:
            survived += kills
    return Outcome(name, tried, survived, problems)


def _disturb(study: Study, strike: Callable[[subprocess.Popen], None], wanted: int, rng: random.Random) -> Iterator:
    """Start and strike; a study that ended before its moment gets no more of them."""
    for number in range(wanted):
        process = study.project.start()
        # The first ones come early, or there would be nothing left to kill for the others.
        moment = rng.uniform(0.02, 0.95) * study.seconds / (1 if number == wanted - 1 else 2)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            strike(process)
            yield moment
        else:
            return


def _finish(study: Study) -> list[str]:
    process = study.project.start()
    try:
        status = process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        tree_killed(process)
        return [f"the restart did not end in {PATIENCE} s"]
    if status:
        said = (study.project.folder / "said.log").read_text().strip().splitlines()
        return [f"the restart ended with status {status}: {' | '.join(said[-6:])[:400]}"]
    if alive := study.project.living():
        return [f"process {each.pid} still lives" for each in alive]
    return lost(study.project.folder, study.state)
