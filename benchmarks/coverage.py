"""How often the 95% interval of `statistics.estimate` holds the truth: the table of docs/statistics.md, in minutes.

    python -m benchmarks.coverage [STUDIES]

Scores mu + a_s + b_I + c_sI of known mu, normal; a and c together have variance 1. What 1,000 resamples of 500 images
say of b and c is drawn as such covariances are distributed (Wishart), instead of image by image.
"""

import math
import sys

import numpy as np
from scipy.stats import wishart

from triplehead.analysis.statistics.estimate import half_width

IMAGES, RESAMPLES = 500, 1000
SHARES = (0.0, 0.5, 1.0)
NOISES = (0, 0.1, 0.2, 0.3, 0.5, 1, 2, 4)


def coverage(generator: np.random.Generator, seeds: int, share: float, noise: float, studies: int) -> float:
    """Percent. share: of c in a seed's variance; noise: standard deviation of b."""
    seed = generator.normal(0, 1, (studies, seeds))  # a + c
    means = seed.mean(axis=1) + generator.normal(0, noise, studies)
    seed_se = seed.std(axis=1, ddof=1) / math.sqrt(seeds)
    covariance = _sampled(generator, np.full((seeds, seeds), noise**2) + share * np.eye(seeds), IMAGES, studies)
    covariance = _sampled(generator, covariance, RESAMPLES, studies)
    alone = np.trace(covariance, axis1=1, axis2=2) / seeds
    shared = (covariance.sum(axis=(1, 2)) - seeds * alone) / (seeds * (seeds - 1))
    image_se, own_se = (np.sqrt(np.maximum(0, each)) for each in (shared, (alone - shared) / seeds))
    errors = zip(seed_se.tolist(), image_se.tolist(), own_se.tolist(), strict=True)
    halves = [half_width(one, seeds - 1, image, IMAGES - 1, own) for one, image, own in errors]
    return 100 * float(np.mean(np.abs(means) <= halves))


def _sampled(generator: np.random.Generator, covariance: np.ndarray, count: int, studies: int) -> np.ndarray:
    """[studies, n, n]: sample covariance of `count` normal vectors of that covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(0, values))[..., None, :]
    n = covariance.shape[-1]
    drawn = wishart.rvs(count - 1, np.eye(n), size=studies, random_state=generator) / (count - 1)
    return root @ drawn @ np.swapaxes(root, -1, -2)


def main() -> None:
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    generator = np.random.default_rng(0)
    for seeds in (2, 3, 5, 10):
        for share in SHARES:
            cells = (f"{coverage(generator, seeds, share, noise, studies):.1f}" for noise in NOISES)
            print(f"| {seeds} | {share:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
