"""A job of Snakemake's, from its log, its lock and Snakemake's record of what it made."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triplehead import paths
from triplehead.jobs import last_lines, snakemakes_record

STALE = 600.0  # seconds without a line in its log after which a run on another machine counts as stopped
CENTURY = 3.2e9  # seconds; more is no time that a job took
STARTING = 60.0  # seconds that an empty log counts as that of a job about to take its lock
_STEP = re.compile(r"(\d+)/(\d+)  (\d+) s left")
State = Literal["done", "running", "failed", "left"]
STATES: tuple[State, ...] = ("done", "running", "failed", "left")


@dataclass(frozen=True)
class Job:
    """`step` and `seconds_left` of its training as its log says, `quiet` seconds ago; `took`: seconds, where it is
    done; `last_lines`: of a failed one."""

    state: State
    step: int | None = None
    seconds_left: float | None = None
    quiet: float | None = None
    took: float | None = None
    log: str | None = None
    last_lines: tuple[str, ...] = ()


def job(root: Path, outputs: list[Path], log: Path, lock: str, held: set[int], now: float, alive: bool) -> Job:
    """The job that makes `outputs`, the first of which Snakemake has a record of, and holds `lock` meanwhile. alive: a
    Snakemake is at work in `root`."""
    if all((root / output).is_file() for output in outputs):
        return Job("done", took=_took(root, outputs[0]))
    log = root / log
    lines = last_lines(log)
    state = _unfinished(root / paths.LOCKS / lock, log, lines, held, now, alive)
    step = next((found for line in reversed(lines) if (found := _STEP.match(line))), None)
    running = state == "running"
    return Job(
        state,
        step=int(step[1]) if step else None,
        seconds_left=float(step[3]) if step and running else None,
        quiet=max(0.0, now - log.stat().st_mtime) if running and log.is_file() else None,
        log=str(log) if lines else None,
        last_lines=tuple(lines) if state == "failed" else (),
    )


def held_locks() -> set[int]:
    """The inodes of the files that some process here has locked."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return set()
    return {int(inode) for line in lines if (inode := line.split()[-3].rpartition(":")[2]).isdecimal()}


def _unfinished(lock: Path, log: Path, lines: list[str], held: set[int], now: float, alive: bool) -> State:
    """A job's process holds its lock as long as it lives; on another machine only its log can be seen to grow.

    One that was killed leaves a step or nothing as its last line and goes on from there: it is left. One that failed
    leaves what was wrong.
    """
    if lock.exists() and lock.stat().st_ino in held:
        return "running"
    if not lines:  # before it takes the lock, a job loads its libraries
        begun = log.is_file() and now - log.stat().st_mtime < STARTING
        return "running" if begun and (alive or _elsewhere(log)) else "left"
    if not (_STEP.match(lines[-1]) or lines[-1].startswith("waiting for ")):
        words = lines[-1].lower()
        return "failed" if re.match(r"error: |traceback|[\w.]*(error|exception|killed)\b", words) else "left"
    return "running" if now - log.stat().st_mtime < STALE and _elsewhere(log) else "left"


def _elsewhere(log: Path) -> bool:
    """Whether the kernel cannot tell: the run may be on another node of a cluster."""
    return not Path("/proc/locks").exists() or (log.parents[2] / ".snakemake" / "slurm_logs").is_dir()


def _took(root: Path, output: Path) -> float | None:
    """Seconds of the job that made `output`, from Snakemake's record of it."""
    try:
        record = json.loads((root / snakemakes_record("metadata", output)).read_text())
        took = float(record["endtime"]) - float(record["starttime"])
        return took if 0 <= took < CENTURY else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
