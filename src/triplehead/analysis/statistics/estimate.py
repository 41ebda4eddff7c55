"""A mean and its 95% interval from two sources of noise, seeds and images, kept apart and combined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """What was measured and how well it is known, in the metric's unit.

    value: mean over seeds; None: nothing measured. std: sample standard deviation over seeds; None below two.
    n: seeds (speed: repeats; parameters: 1). low, high: 95% interval, None where no source of noise is known.
    seed_se: standard error of the mean from seeds, at least what their resamples allow; image_se: from the choice of
    validation images. None: not known.
    sources: what the interval covers. With one seed it is of that one model, ("images",), and says nothing of the
    method; without resampled images it is ("seeds",); of a count it is ().
    """

    value: float | None
    std: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    seed_se: float | None = None
    image_se: float | None = None
    sources: tuple[str, ...] = ()


NOTHING = Estimate(None)


def estimate(
    values: Sequence[float], replicates: np.ndarray | None = None, num_images: int = 0, unit: str = "seeds"
) -> Estimate:
    """The mean of `values`, one a seed, as an estimate of what other seeds and other images would give.

    replicates: float64 [n, B], the same scores under B resamples of `num_images` images; NaN where a resample has
    nothing to find. unit: what `values` differ in (seeds, repeats).

    The score of seed s on images I is taken as mu + a_s + b_I + c_sI. The seeds of a row share the images, so:

    - a and c differ between the seeds: the sample variance over seeds holds both, and seed_se is std / sqrt(n). What
      a seed varies by alone under common resamples (its variance less its covariance with the others) is the variance
      of c, below which the seeds' cannot be: where they happen to lie closer, seed_se is the square root of c's / n;
    - b is common to all seeds, and no number of them lessens it. Under a common resample two seeds vary together in b
      alone, so that the mean covariance over pairs of seeds estimates its variance, image_se squared. (The variance of
      the resampled mean is that and c / n, which std holds already.) Of one seed it is the variance of b and c.

    The interval is Student's t for the sum of both variances, with Satterthwaite's degrees of freedom, but never
    shorter than for the seeds alone, nor than for the images alone, which move the mean by b and c / n. Without these
    floors, three seeds that happen to lie close together pass for many (docs/statistics.md has how often the interval
    holds the truth).
    """
    n = len(values)
    if not n:
        return NOTHING
    mean, std = mean_and_std(list(values))
    seed_se = None if std is None else std / math.sqrt(n)
    image_se, own_se = (None, 0.0) if replicates is None else _image_errors(replicates, num_images)
    half = half_width(seed_se, n - 1, image_se, num_images - 1, own_se)
    seed_se = None if seed_se is None else max(seed_se, own_se)
    sources = tuple(name for name, error in ((unit, seed_se), ("images", image_se)) if error is not None)
    if half is None or mean is None:
        return Estimate(mean, std, n, None, None, seed_se, image_se, sources)
    return Estimate(mean, std, n, mean - half, mean + half, seed_se, image_se, sources)


def half_width(
    seed_se: float | None, seed_df: float, image_se: float | None, image_df: float, own_se: float = 0.0
) -> float | None:
    """Of the two-sided interval, as `estimate` has it; None without any standard error. own_se: of c / n, which
    seed_se holds as well."""
    parts = [(error**2, df) for error, df in ((seed_se, seed_df), (image_se, image_df)) if error is not None]
    if not parts:
        return None
    alone = [math.sqrt(variance) * _quantile(df) for variance, df in parts]
    if image_se is not None:
        alone.append(math.hypot(image_se, own_se) * _quantile(image_df))
    total = math.fsum(variance for variance, _ in parts)
    spread = math.fsum(variance**2 / df for variance, df in parts)
    if not spread:  # seeds and images alike that do not matter at all
        return max(alone)
    return max(*alone, math.sqrt(total) * _quantile(total**2 / spread))


def _quantile(df: float) -> float:
    """Of Student's t, for the two-sided interval."""
    from scipy.special import stdtrit  # a tenth of a second, which a plan without results need not take

    return float(stdtrit(df, (1 + CONFIDENCE) / 2))


def mean_and_std(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean, and sample standard deviation (n - 1), which needs two values."""
    if not values:
        return None, None
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _image_errors(replicates: np.ndarray, num_images: int) -> tuple[float | None, float]:
    """Standard errors of the mean from b and from c, with the bootstrap's factor N / (N - 1): by the mean covariance
    over pairs of seeds, and by what a seed's variance has more; of one seed, whose b and c cannot be told apart, its
    variance and 0. (None, 0) where there are no two images, or hardly a resample in which there was something to find.
    """
    known = replicates[:, np.isfinite(replicates).all(axis=0)]
    if num_images < 2 or known.shape[1] < max(2, replicates.shape[1] // 2):
        return None, 0.0
    covariance = np.atleast_2d(np.cov(known)) * num_images / (num_images - 1)
    n = len(covariance)
    alone = float(np.trace(covariance)) / n
    shared = alone if n == 1 else (float(covariance.sum()) - n * alone) / (n * (n - 1))
    return math.sqrt(max(0.0, shared)), math.sqrt(max(0.0, alone - shared) / n)
