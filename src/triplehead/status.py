"""How far a study is, from the files alone: nothing is locked, written, or asked of Snakemake; no torch."""

import base64
import csv
import json
import os
import re
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from triplehead import paths
from triplehead.analysis.figures import SUFFIXES
from triplehead.jobs import last_lines, run_label
from triplehead.plan.calibration import CALIBRATION, read_calibration
from triplehead.plan.cost import Estimate, estimate, list_schedule
from triplehead.plan.plan import Plan

STALE = 600.0  # seconds without a line in its log after which a run on another machine counts as stopped
STARTING = 60.0  # seconds that an empty log counts as that of a run about to take its lock
_STEP = re.compile(r"(\d+)/(\d+)  (\d+) s left")
State = Literal["done", "running", "failed", "left"]
ExhibitState = Literal["complete", "waiting", "to be written"]


@dataclass(frozen=True)
class RunStatus:
    """One run. `step` of `steps` and `seconds_left` as its log says; `took`: seconds of its job, where it is done."""

    id: str
    label: str
    state: State
    step: int | None
    steps: int
    seconds_left: float | None
    took: float | None
    log: str | None
    last_lines: tuple[str, ...]  # of a failed one


@dataclass(frozen=True)
class ExhibitStatus:
    """One table or figure: complete; waiting for runs; or to be written, since all that it needs is there."""

    name: str
    title: str
    state: ExhibitState
    done: int  # of its runs
    runs: int


@dataclass(frozen=True)
class Status:
    """All of a plan. `seconds_left`: until the last run is trained, None where nothing is known of its time."""

    scale: str
    runs: tuple[RunStatus, ...]
    exhibits: tuple[ExhibitStatus, ...]
    workers: int
    seconds_left: float | None

    @property
    def counts(self) -> dict[State, int]:
        found = Counter(run.state for run in self.runs)
        return {state: found[state] for state in ("done", "running", "failed", "left")}

    def document(self) -> dict[str, Any]:
        return {"counts": self.counts} | asdict(self)


def status(plan: Plan, root: Path = Path(), cores: int | None = None) -> Status:
    """Look at the results below `root`. `cores`: that the runs will share, where none is at work; all if not given."""
    held, now = _held_locks(), time.time()
    runs = {run_id: _run(plan, run_id, root, held, now) for run_id in plan.runs}
    done = {run_id for run_id, run in runs.items() if run.state == "done"}
    exhibits = tuple(_exhibit(plan, name, root, done) for name in plan.exhibits)
    workers = sum(run.state == "running" for run in runs.values())
    workers = workers or max(1, (cores or os.cpu_count() or 1) // plan.scale.cpus_of("train"))
    left = _left(estimate(plan, read_calibration(root / CALIBRATION)), runs, workers)
    return Status(plan.config.scale, tuple(runs.values()), exhibits, workers, left)


def _run(plan: Plan, run_id: str, root: Path, held: set[int], now: float) -> RunStatus:
    folder, log = root / paths.RUNS / run_id, root / paths.LOGS / "train" / f"{run_id}.log"
    spec = plan.runs[run_id].spec
    state: State = "done"
    took, lines = None, []
    if all((folder / name).is_file() for name in paths.RUN_FILES):
        took = _took(root, paths.RUNS / run_id / "scores.json")
    else:
        lines = last_lines(log)
        state = _state_of_unfinished(root / paths.LOCKS / run_id, log, lines, held, now)
    step = next((found for line in reversed(lines) if (found := _STEP.match(line))), None)
    return RunStatus(
        run_id, run_label(plan, run_id), state,
        step=spec.schedule.iterations if state == "done" else int(step[1]) if step else None,
        steps=spec.schedule.iterations,
        seconds_left=float(step[3]) if step and state == "running" else None,
        took=took,
        log=str(log) if lines else None,
        last_lines=tuple(lines) if state == "failed" else (),
    )  # fmt: skip


def _state_of_unfinished(lock: Path, log: Path, lines: list[str], held: set[int], now: float) -> State:
    """A run's process holds its lock as long as it lives; on another machine only its log can be seen to grow.

    One that was killed leaves a step or nothing as its last line and goes on from there: it is left. One that failed
    leaves what was wrong.
    """
    if lock.exists() and lock.stat().st_ino in held:
        return "running"
    if not lines:  # before it takes the lock, a run loads its libraries
        return "running" if log.is_file() and now - log.stat().st_mtime < STARTING else "left"
    if not (_STEP.match(lines[-1]) or lines[-1].startswith("waiting for ")):
        words = lines[-1].lower()
        return "failed" if re.match(r"error: |traceback|[\w.]*(error|exception|killed)\b", words) else "left"
    return "running" if now - log.stat().st_mtime < STALE and _elsewhere(log, now) else "left"


def _elsewhere(log: Path, now: float) -> bool:
    """Whether the kernel cannot tell: the run may be on another node of a cluster."""
    return not Path("/proc/locks").exists() or (log.parents[2] / ".snakemake" / "slurm_logs").is_dir()


def _held_locks() -> set[int]:
    """The inodes of the files that some process here has locked."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return set()
    return {int(inode) for line in lines if (inode := line.split()[-3].rpartition(":")[2]).isdecimal()}


def _took(root: Path, output: Path) -> float | None:
    """Seconds of the job that made `output`, from Snakemake's record of it."""
    name = base64.b64encode(str(output).encode(), altchars=b"-_").decode()
    try:
        record = json.loads((root / ".snakemake" / "metadata" / name).read_text())
        return float(record["endtime"]) - float(record["starttime"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _exhibit(plan: Plan, name: str, root: Path, done: set[str]) -> ExhibitStatus:
    exhibit = plan.exhibits[name]
    needed = plan.run_ids(name)
    present = sum(run in done for run in needed)
    suffixes = SUFFIXES if exhibit.kind == "figure" else ("csv", "tex")
    files = [root / paths.RESULTS / f"{name}.{suffix}" for suffix in suffixes]
    state: ExhibitState = "waiting" if present < len(needed) else "to be written"
    if state != "waiting" and all(file.is_file() for file in files):
        written = min(file.stat().st_mtime for file in files)
        newest = max((_time(root / paths.RUNS / run / "scores.json") for run in needed), default=0.0)
        ours = exhibit.kind == "figure" or _scales(files[0]) <= {plan.config.scale, ""}
        state = "complete" if written >= newest and ours else state
    return ExhibitStatus(name, exhibit.title, state, present, len(needed))


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _scales(table: Path) -> set[str]:
    """Of a table's measured rows; parameters are always the paper's."""
    try:
        with open(table, newline="") as file:
            return {row.get("scale") or "" for row in csv.DictReader(file)} - {"paper"}
    except (OSError, csv.Error, UnicodeDecodeError):
        return {"unreadable"}


def _left(found: Estimate, runs: dict[str, RunStatus], workers: int) -> float | None:
    """Seconds until the last run ends: as planned, times what finished runs took of their own plan; without any
    plan, as finished runs took."""
    took = {run_id: run.took for run_id, run in runs.items() if run.took}
    planned = found.runs
    ratios = [seconds / known for run_id, seconds in took.items() if (known := planned.get(run_id))]
    ratio = statistics.median(ratios) if ratios else 1.0
    middle = statistics.median(took.values()) if took else None
    steps = {run.id: (run.step or 0) / run.steps for run in runs.values()}

    def expected(run: RunStatus) -> float | None:
        if run.state == "running" and run.seconds_left is not None:
            return run.seconds_left
        known = planned.get(run.id)
        whole = middle if known is None else known * ratio / (1 if ratios else found.devices)
        return None if whole is None else whole * (1 - steps[run.id])

    open_runs = sorted(
        (run for run in runs.values() if run.state in ("running", "left")), key=lambda run: run.state != "running"
    )
    seconds = [expected(run) for run in open_runs]
    timed = [each for each in seconds if each is not None]
    return list_schedule(timed, workers) if len(timed) == len(seconds) else None
