"""The study killed at random moments and started again by the same command."""

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from tests.torture.checks import State, lost, state
from tests.torture.outcome import Outcome, outcome
from tests.torture.project import PATIENCE, NoEnd, Project, interrupted, job_killed, terminated, tree_killed

IN_A_ROW = (12, 24)  # kills of one smoke DAG before it may end
START = 6  # seconds that a study takes to start again, in which nothing is got done
GRACE = 10  # seconds until whoever was told to end, or has lost its parent, must have ended
TREE, TERM, INT, JOB = (
    "SIGKILL to the whole process tree",
    "SIGTERM to the session",
    "SIGINT to the process group",
    "SIGKILL to one job's process",
)
STRIKES: dict[str, Callable[[subprocess.Popen], bool]] = {
    TREE: tree_killed,
    TERM: terminated,
    INT: interrupted,
    JOB: job_killed,
}
WATCH = Path(__file__).with_name("watch")


class Study:
    """An undisturbed study, its state, how long it took and whom it spoke to."""

    def __init__(self, project: Project):
        self.project = project
        self.connections = project.folder.with_name(f"{project.folder.name}.connections")
        begun = time.monotonic()
        path = f"{project.environment['PYTHONPATH']}:{WATCH}"
        done = self.project.call(PYTHONPATH=path, TORTURE_CONNECTIONS=str(self.connections))
        if done.returncode:
            raise RuntimeError(f"the undisturbed study failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        self.seconds = time.monotonic() - begun
        self.state: State = state(project)
        project.keep_times()

    def share(self) -> float:
        """Of the files that the undisturbed study left, but for its images, which come at once, those that are there."""
        made = [name for name in self.state.files if not name.startswith("results/data/")]
        return sum((self.project.folder / name).is_file() for name in made) / len(made)


def killed(study: Study, pool: list[str], rng: random.Random, in_a_row: tuple[int, int]) -> Iterator[list[Outcome]]:
    """Every strike of `pool`, in an order that is drawn, `in_a_row` of them (least, most) in a study before it may end;
    the outcomes of each study."""
    left = rng.sample(pool, len(pool))
    while left:
        found = struck(study, left[: rng.randint(*in_a_row)], rng)
        for each in found:
            for _ in range(each.tried):
                left.remove(each.fault)
        yield found


def killed_at_the_end(name: str, study: Study, times: int, rng: random.Random) -> Iterator[Outcome]:
    """SIGKILL to the tree once a training has written its last file and has not ended: Snakemake takes its files away,
    and the restart must not train again. One that ended meanwhile does not count."""
    tried = 0
    while tried < times:
        study.project.clean()
        process, folder = study.project.start(), study.project.folder
        while not (scores := [*folder.glob("results/runs/*/scores.json")]) and process.poll() is None:
            time.sleep(0.01)
        tree_killed(process)
        if not scores:
            yield Outcome(name, 1, 0, ["nothing was trained"])
            return
        run = scores[0].parent.name
        log = folder / "logs" / "train" / f"{run}.log"
        before = log.stat().st_mtime_ns
        problems = _finish(study)
        if log.stat().st_mtime_ns == before:
            if problems:
                yield outcome(name, problems)
        else:
            tried += 1
            told = re.findall(r"(?m)^(\d+)/", log.read_text())
            problems += [f"{run} was trained again from iteration {told[0]} on"] if told else []
            yield outcome(name, problems)


def struck(study: Study, strikes: list[str], rng: random.Random) -> list[Outcome]:
    """One study that is struck so, one after the other, as long as there is something left to strike; survived have
    all of them if it ends as the undisturbed one."""
    study.project.clean()
    there: dict[str, list[float]] = {}
    problems = []
    for name, share, problem in _disturb(study, strikes, rng):
        if name:
            there.setdefault(name, []).append(share)
        problems += [problem] if problem else []
    problems += _finish(study)
    if problems and not there:  # no strike, and yet something is lost
        return [Outcome(strikes[0], 1, 0, problems)]
    return [
        Outcome(name, len(shares), 0 if problems else len(shares), problems, there=shares)
        for name, shares in there.items()
    ]


def _disturb(study: Study, strikes: list[str], rng: random.Random) -> Iterator[tuple[str, float, str]]:
    """Start and strike: what struck, the share of files that were there, and what is wrong with how the study took it,
    if anything. A study that ended before its moment gets no more of them; that it ends well is looked at.

    One that loses a job goes on with the others, and the next strike meets it there: to wait for its end would leave
    little to strike.
    """
    number, process = 0, None
    while number < len(strikes):
        name, goes_on = strikes[number], process is not None
        process = process or study.project.start()
        # Each has its part of what is left to do, so that strikes come as often late as early.
        part = study.seconds * (1 - study.share()) / (len(strikes) - number + 1)
        try:
            status = process.wait(timeout=rng.uniform(0.02, 1.9 * part + (0 if goes_on else START)))
        except subprocess.TimeoutExpired:
            share, number = study.share(), number + 1
            try:
                if STRIKES[name](process):
                    yield name, share, "" if name == JOB else _outlived(study)
            except NoEnd as error:
                yield name, share, str(error)
            process = process if process.poll() is None else None
        else:
            process = None
            if not (goes_on and status):
                if status:
                    yield "", 0.0, _failure(study, status)
                return
    if process is not None:
        yield "", 0.0, _waited(process)


def _outlived(study: Study) -> str:
    """Who lives on although its Snakemake has ended."""
    _, alive = psutil.wait_procs(study.project.living(), timeout=GRACE)
    return ", ".join(f"process {each.pid} outlived its Snakemake" for each in alive)


def _waited(process: subprocess.Popen) -> str:
    try:
        process.wait(timeout=PATIENCE)
        return ""
    except subprocess.TimeoutExpired:
        tree_killed(process)
        return f"a job's end did not end Snakemake within {PATIENCE} s"


def _finish(study: Study) -> list[str]:
    """Let it end and compare: where it measured times first all that does not hold them, then, made once more with the
    times of the undisturbed study, everything."""
    project = study.project
    problems = _ended(study)
    if not problems and project.times:
        problems = lost(project, study.state, project.timed) + _unverified(study)
        project.put_times_back()
        problems = problems or _ended(study)
    return problems or lost(project, study.state)


def _unverified(study: Study) -> list[str]:
    """What is not what its job made, by the study's own digests."""
    done = study.project.call(sys.executable, "-m", "triplehead", "verify")
    return [f"verify: {' '.join((done.stdout + done.stderr).split())[:400]}"] if done.returncode else []


def _failure(study: Study, status: int) -> str:
    said = (study.project.folder / "said.log").read_text().strip().splitlines()
    return f"the restart ended with status {status}: {' | '.join(said[-6:])[:400]}"


def _ended(study: Study) -> list[str]:
    process = study.project.start()
    try:
        status = process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        tree_killed(process)
        return [f"the restart did not end in {PATIENCE} s"]
    if status:
        return [_failure(study, status)]
    return [f"process {each.pid} still lives" for each in study.project.living()]
