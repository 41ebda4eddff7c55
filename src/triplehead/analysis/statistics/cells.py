"""Cells of the tables as estimates, and what two of them differ by, paired by seed and by image."""

from pathlib import Path

import numpy as np

from triplehead.analysis.statistics.estimate import NOTHING, Estimate, estimate
from triplehead.analysis.statistics.samples import Sample, sample
from triplehead.plan.plan import Plan

RUNS = "runs"
Row = tuple[str, str]  # (exhibit, label)


def cell(plan: Plan, results: Path, exhibit: str, label: str, metric: str) -> Estimate:
    """What a row measured, as `estimate` has it; of seeds that have not been evaluated it takes no notice.

    Any row with a spec can be asked for any score of its protocol; parameters and speed for their metrics.
    Raises InputError for a cell that is not there, and for a file that is broken.
    """
    return of_sample(sample(plan, results / RUNS, exhibit, label, metric))


def difference(plan: Plan, results: Path, a: Row, b: Row, metric: str) -> Estimate:
    """Row `a` minus row `b`, each (exhibit, label), over the seeds that both have.

    Paired by seed: std is that of the differences. Paired by image: each resample is the same for all runs on a data
    set, so that both rows gain or lose by it together; resamples of different data sets are drawn independently.
    """
    ours, theirs = _pair(plan, results, a, b, metric)
    return _combined(ours, theirs, lambda x, y: x - y)


def ratio(plan: Plan, results: Path, a: Row, b: Row, metric: str) -> Estimate:
    """Mean of row `a` over that of row `b`, paired as `difference` is.

    By the delta method: with r the ratio of the means, each seed and resample stands for r + (a - r b) / mean b, whose
    mean over seeds is r. Nothing where b's mean is 0.
    """
    return _ratio(*_pair(plan, results, a, b, metric), lambda found: found)


def excess(ours: Sample, theirs: Sample) -> Estimate:
    """By how many percent the mean of `ours` lies above that of `theirs`, as `ratio` has it."""
    return _ratio(ours, theirs, lambda found: 100 * (found - 1))


def _ratio(ours: Sample, theirs: Sample, told) -> Estimate:
    common = ours.values.keys() & theirs.values.keys()
    bottom = sum(theirs.values[seed] for seed in common)
    if not bottom:
        return NOTHING
    r = sum(ours.values[seed] for seed in common) / bottom
    return _combined(ours, theirs, lambda x, y: told(r + (x - r * y) / (bottom / len(common))))


def of_sample(found: Sample) -> Estimate:
    """The estimate of one cell's values."""
    values = list(found.values.values())
    if found.unit is None:
        return Estimate(values[0], n=1) if values else NOTHING
    replicates = np.array([found.replicates[seed] for seed in found.values]) if found.replicates else None
    return estimate(values, replicates, found.num_images, found.unit)


def _pair(plan: Plan, results: Path, a: Row, b: Row, metric: str) -> tuple[Sample, Sample]:
    """Both rows; nothing where one was measured on test-dev and the other on val."""
    ours, theirs = sample(plan, results / RUNS, *a, metric), sample(plan, results / RUNS, *b, metric)
    return (ours, theirs) if ours.split == theirs.split else (Sample({}), Sample({}))


def _combined(a: Sample, b: Sample, join) -> Estimate:
    common = [seed for seed in a.values if seed in b.values]
    paired = {seed: join(a.replicates[seed], b.replicates[seed]) for seed in common if a.replicates and b.replicates}
    values = {seed: join(a.values[seed], b.values[seed]) for seed in common}
    return of_sample(Sample(values, paired, min(a.num_images, b.num_images), a.unit))
