"""How long a study still takes: what finished runs took, scaled by what the plan says of those that are left."""

import os
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import psutil

from triplehead.locking import snakemakes_in
from triplehead.plan.calibration import kind_of
from triplehead.plan.cost import Estimate, list_schedule
from triplehead.plan.plan import Plan
from triplehead.status.jobs import Job

AFTER = 0.5  # of what a run takes around its steps, what comes after them; the rest is its start


def seconds_left(
    plan: Plan, planned: Estimate, runs: Mapping[str, Job], others: Iterable[list[Job]], workers: int
) -> float | None:
    """Until the last run is trained, `workers` at a time; others: jobs before any training, a list for each kind. None
    where nothing is known of a run's time.

    A look that comes later must not find a later end: what runs is counted down from its log's last line, so that its
    start and its evaluation, which say nothing, are not found to be as long as ever.
    """
    ratio = _ratios(plan, planned, runs)
    took = [job.took for job in runs.values() if job.took]
    middle = statistics.median(took) if took else None

    def left(run_id: str, job: Job) -> float | None:
        known, around = planned.runs.get(run_id), planned.around.get(run_id, 0.0)
        whole = middle if known is None else known * ratio(run_id)
        share = around / known if known else 0.0
        done = (job.step or 0) / plan.runs[run_id].spec.schedule.iterations
        if job.state != "running":
            return None if whole is None else whole * (share + (1 - share) * (1 - done))
        if whole is None:
            return job.seconds_left
        rest = whole * (1 - share) * (1 - done) + whole * share * (AFTER if job.step else 1)
        return max(0.0, rest - (job.quiet or 0.0))

    before = [seconds for jobs in others for seconds in _before(jobs)]
    seconds = [left(*each) for state in ("running", "left") for each in runs.items() if each[1].state == state]
    known = [each for each in seconds if each is not None]
    return list_schedule([*before, *known], workers) if len(known) == len(seconds) else None


def workers(plan: Plan, root: Path, running: int, cores: int | None) -> int:
    """Runs at once: as many as the Snakemake that works here has cores for; else as many as run on other machines; else
    as many as `cores`, all if not given, have room for."""
    each = plan.scale.cpus_of("train")
    if not plan.scale.gpus_of("train") and (found := _cores_of_snakemake(root)) is not None:
        return max(1, min(found, os.cpu_count() or 1) // each)
    return running or max(1, (cores or os.cpu_count() or 1) // each)


def _ratios(plan: Plan, planned: Estimate, runs: Mapping[str, Job]) -> Callable[[str], float]:
    """What a run takes here, over what is planned: by finished runs of its kind, else by all. Not by those that run:
    the first steps of a training are much slower than the others."""
    by_kind: dict[str, list[float]] = {}
    for run_id, job in runs.items():
        if job.took and (known := planned.runs.get(run_id)):
            by_kind.setdefault(kind_of(plan.runs[run_id].spec), []).append(job.took / known)
    finished = [ratio for found in by_kind.values() for ratio in found]
    overall = statistics.median(finished or [1 / planned.devices])

    def ratio(run_id: str) -> float:
        return statistics.median(by_kind.get(kind_of(plan.runs[run_id].spec), [overall]))

    return ratio


def _before(jobs: list[Job]) -> list[float]:
    """Of jobs of one kind those that are not done, as long as those that are; nothing before one is."""
    took = [job.took for job in jobs if job.took]
    whole = statistics.median(took) if took else 0.0
    return [max(0.0, whole - (job.quiet or 0.0)) for job in jobs if job.state in ("running", "left")]


def _cores_of_snakemake(root: Path) -> int | None:
    """`--cores` of the Snakemake that is at work in `root`; None if none is, or if it does not say."""
    for pid in snakemakes_in(root):
        try:
            words = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        for word, following in zip(words, [*words[1:], ""], strict=True):
            option, equals, value = word.partition("=")
            if option not in ("--cores", "-c"):
                continue
            given = value if equals else following
            if given == "all":
                return os.cpu_count()
            if given.isdecimal():
                return int(given)
    return None
