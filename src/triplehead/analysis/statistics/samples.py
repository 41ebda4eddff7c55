"""What a cell was measured from: its score for each seed, and under each resample of the images."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from triplehead.analysis.speed import conditions, speed_record, speed_series
from triplehead.analysis.statistics.origins import check_origins
from triplehead.analysis.statistics.replicates import read_replicates
from triplehead.errors import InputError, shown
from triplehead.paths import DIVERGED, REPLICATES, TESTDEV
from triplehead.plan.plan import COUNTED_AT, Plan, paper_specs
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import SCORES, Exhibit
from triplehead.reading import read_mapping

MOST = 100 + 1e-6  # percent, and what rounding may add


@dataclass(frozen=True)
class Sample:
    """One cell's values.

    values: seed -> score in percent; of speed repeat -> frames per second; of parameters 0 -> the count.
    replicates: seed -> float64 [B], the score under each resample of `num_images` images; for all seeds or none.
    unit: what the values differ in, seeds or repeats; None: a count, which is exact.
    """

    values: Mapping[int, float]
    replicates: Mapping[int, np.ndarray] = field(default_factory=dict)
    num_images: int = 0
    unit: str | None = "seeds"
    scale: str = ""
    split: str = ""
    run_ids: str = ""
    conditions: str = ""
    diverged: str = ""  # which seeds, and where; a cell with one has no values


def sample(plan: Plan, runs: Path, exhibit: str, label: str, metric: str, complete: bool = False) -> Sample:
    """The values of one cell: from `runs`/<id>/scores.json, or testdev.json where every seed has come back from
    COCO's server (no cell mixes the two), with replicates.npz beside scores.json; from speed/<exhibit>.json beside
    `runs`; or counted. Empty where nothing was measured. A table's `average` names which of the protocol's it is.

    complete: refuse a row of which a run has not been evaluated, instead of taking the others. Raises InputError for
    a cell that is not there, and for a file that is broken or belongs to something else.
    """
    if exhibit not in plan.exhibits:
        raise InputError(exhibit, f"no such exhibit; known: {', '.join(plan.exhibits)}")
    table = plan.exhibits[exhibit]
    if label not in (labels := [row.label for row in table.rows]):
        raise InputError(exhibit, f"no row {label!r}; known: {', '.join(labels)}")
    known = SCORES[table.protocol] if table.kind in ("scores", "figure") else table.metrics
    if metric not in known:
        raise InputError(exhibit, f"no metric {metric!r}; known: {', '.join(known)}")
    if table.kind == "parameters":
        count = _counts(exhibit, plan.config.extra)[labels.index(label)]
        return Sample({} if count is None else {0: count}, unit=None, scale="" if count is None else COUNTED_AT)
    if table.kind == "speed":
        if not complete and not (runs.parent / "speed" / f"{exhibit}.json").exists():
            return Sample({}, unit="repeats")
        return _speed(plan, exhibit, runs.parent, label, metric)
    specs = plan.specs.get((exhibit, label), ())
    return _scores(plan, specs, table, runs, metric, complete) if specs else Sample({})


def read_scores(path: Path, metrics: tuple[str, ...]) -> dict[str, float | None]:
    """The named scores of one run. Raises InputError naming the file and the metric that is no number."""
    scores = _document(path)
    for metric in metrics:
        if metric not in scores:
            raise InputError(path, f"{metric}: missing")
        value = scores[metric]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value <= MOST):
            raise InputError(path, f"{metric}: expected a number of 0..100 or null, found {shown(value)}")
    return {metric: scores[metric] for metric in metrics}


def _document(path: Path) -> dict:
    return read_mapping(path, "no such file: the run has not been evaluated", "a mapping of scores")


def divergence(runs: Path, specs: tuple[RunSpec, ...]) -> str:
    """Which of the seeds diverged, and at which iteration, in words; empty where none did. A mean of the others would
    be one of the seeds that went well."""
    found = []
    for spec in specs:
        path = runs / spec.id / "scores.json"
        if path.exists() and (facts := _document(path).get(DIVERGED)) is not None:
            if not isinstance(facts, dict) or not isinstance(facts.get("iteration"), int):
                raise InputError(path, f"{DIVERGED}: expected a mapping with the iteration, found {shown(facts)}")
            found.append(f"seed {spec.seed} at iteration {facts['iteration']}")
    return ", ".join(found)


def _scores(plan: Plan, specs: tuple[RunSpec, ...], table: Exhibit, runs: Path, metric: str, complete: bool) -> Sample:
    on_server = table.split == "test-dev" and all((runs / spec.id / TESTDEV).exists() for spec in specs)
    file, split = (TESTDEV, "test-dev") if on_server else ("scores.json", "val")
    name = f"{metric}_{table.average}" if table.average else metric
    ids = ";".join(spec.id for spec in specs)
    if diverged := divergence(runs, specs):
        said = plan.conditions
        return Sample({}, scale=plan.config.scale, split=split, run_ids=ids, conditions=said, diverged=diverged)
    values, replicates, num_images = {}, {}, 0
    for spec in specs:
        run = runs / spec.id
        if not complete and not (run / file).exists():
            continue
        check_origins(spec, runs)
        value = read_scores(run / file, (name,))[name]
        if on_server:
            _check_server(spec, run)
        if value is None:
            continue
        values[spec.seed] = value
        if not on_server and (stored := run / REPLICATES).exists():
            found = read_replicates(stored, spec, plan.scale.resampling)
            if (exact := found.scores[name]) is None or abs(exact - value) > 1e-9:
                raise InputError(stored, f"{name}: is of other scores than scores.json beside it; make it again")
            replicates[spec.seed], num_images = found.replicates[name], found.num_images
    if replicates.keys() != values.keys():  # of some seeds only: no noise that could be told from theirs
        replicates = {}
    return Sample(values, replicates, num_images, "seeds", plan.config.scale, split, ids, conditions=plan.conditions)


def _check_server(spec: RunSpec, run: Path) -> None:
    """Raises InputError where the server cannot have scored the run, or scored other weights than it has now."""
    file = run / TESTDEV
    if not spec.on_test_dev:
        raise InputError(file, "the run was not trained on COCO below data_root, which the server scores; delete it")
    try:
        weights = hashlib.sha256((run / "model.pt").read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(run / "model.pt", f"cannot be read ({error.strerror}), whose scores {TESTDEV} holds") from None
    if read_mapping(file).get("weights") != weights:
        raise InputError(file, "is of other weights than model.pt beside it; delete it, or have these scored")


@lru_cache
def _counts(exhibit: str, extra: str | None) -> list[int | None]:
    """Parameters of each row's detector on the paper's architecture."""
    from triplehead.detectors.build import build_detector, count_parameters  # torch takes seconds to import

    specs = paper_specs(exhibit, extra=extra)
    return [None if spec is None else count_parameters(build_detector(spec))["total"] for spec in specs]


def _speed(plan: Plan, exhibit: str, results: Path, label: str, metric: str) -> Sample:
    record = speed_record(plan, exhibit, results)
    values = speed_series(record).get(label, {}).get(metric)
    if not values:
        return Sample({}, unit="repeats")
    run = next(row.run for row in record.rows if row.label == label)
    repeats = dict(enumerate(values))
    said = "; ".join(filter(None, (plan.conditions, conditions(record))))
    return Sample(repeats, unit="repeats", scale=record.scale, split="val", run_ids=run, conditions=said)
