"""How far a study is, from the files alone: nothing is locked, written, or asked of Snakemake; no torch."""

import csv
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from triplehead import paths
from triplehead.jobs import run_label
from triplehead.locking import snakemakes_in
from triplehead.plan.calibration import CALIBRATION, read_calibration
from triplehead.plan.cost import estimate
from triplehead.plan.plan import COUNTED_AT, Plan
from triplehead.status.jobs import STATES, Job, State, held_locks, job
from triplehead.status.left import seconds_left, workers
from triplehead.status.writing import at_work, to_write

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
class PreparationStatus:
    """What runs wait for: a data set, or what a backbone starts from."""

    id: str
    label: str
    state: State
    took: float | None
    log: str | None
    last_lines: tuple[str, ...]


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
    """All of a plan. `to_write`: the kinds of work after the runs that are left; `at_work`: those commands among them
    that run here now. `seconds_left`: until the last run is trained, None where nothing is known of its time."""

    scale: str
    preparation: tuple[PreparationStatus, ...]
    runs: tuple[RunStatus, ...]
    exhibits: tuple[ExhibitStatus, ...]
    to_write: tuple[str, ...]
    at_work: tuple[str, ...]
    workers: int
    seconds_left: float | None

    @property
    def counts(self) -> dict[State, int]:
        """Of the runs, by state."""
        return count(self.runs)

    def document(self) -> dict[str, Any]:
        return {"counts": self.counts} | asdict(self)


def count(jobs: Iterable[RunStatus | PreparationStatus]) -> dict[State, int]:
    """How many are in each state."""
    found = Counter(each.state for each in jobs)
    return {state: found[state] for state in STATES}


def status(plan: Plan, root: Path = Path(), cores: int | None = None, now: float | None = None) -> Status:
    """Look at the results below `root`. `cores`: that the runs will share, where none is at work; all if not given."""
    held, now = held_locks(), time.time() if now is None else now
    snakemakes = snakemakes_in(root)
    alive = bool(snakemakes)
    runs = {
        run_id: job(
            root,
            [paths.RUNS / run_id / name for name in ("scores.json", *paths.RUN_FILES)],
            paths.LOGS / "train" / f"{run_id}.log",
            run_id,
            held,
            now,
            alive,
        )
        for run_id in plan.runs
    }
    data = {
        name: job(
            root, [paths.DATA / name / "manifest.json"], paths.LOGS / "data" / f"{name}.log", name, held, now, alive
        )
        for name in plan.data
    }
    pretrained = {
        name: job(
            root, [paths.PRETRAINED / f"{name}.pt"], paths.LOGS / "pretrain" / f"{name}.log", name, held, now, alive
        )
        for name in plan.pretrained
    }
    at_once = workers(plan, root, sum(each.state == "running" for each in runs.values()), cores)
    done = {run for run, each in runs.items() if each.state == "done"}
    exhibits = tuple(_exhibit(plan, name, root, done) for name in plan.exhibits)
    newest = max((_time(root / paths.RUNS / run / "scores.json") for run in done), default=0.0)
    planned = estimate(plan, read_calibration(root / CALIBRATION))
    return Status(
        plan.config.scale,
        tuple(
            PreparationStatus(name, f"{kind} {name}", each.state, each.took, each.log, each.last_lines)
            for kind, jobs in (("data", data), ("backbone", pretrained))
            for name, each in jobs.items()
        ),
        tuple(_run(plan, run_id, each) for run_id, each in runs.items()),
        exhibits,
        to_write(plan, root, (each.name for each in exhibits if each.state != "complete"), newest),
        at_work(snakemakes),
        at_once,
        seconds_left(plan, planned, runs, [list(data.values()), list(pretrained.values())], at_once),
    )  # fmt: skip


def _run(plan: Plan, run_id: str, found: Job) -> RunStatus:
    steps = plan.runs[run_id].spec.schedule.iterations
    step = steps if found.state == "done" else found.step
    return RunStatus(
        run_id, run_label(plan, run_id), found.state, step, steps, found.seconds_left, found.took, found.log,
        found.last_lines,
    )  # fmt: skip


def _exhibit(plan: Plan, name: str, root: Path, done: set[str]) -> ExhibitStatus:
    exhibit = plan.exhibits[name]
    needed = plan.run_ids(name)
    present = sum(run in done for run in needed)
    suffixes = paths.FIGURE_SUFFIXES if exhibit.kind == "figure" else ("csv", "tex")
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
    """Of a table's measured rows; parameters are always counted on the paper's architecture."""
    try:
        with open(table, newline="") as file:
            return {row.get("scale") or "" for row in csv.DictReader(file)} - {COUNTED_AT}
    except (OSError, csv.Error, UnicodeDecodeError):
        return {"unreadable"}
