"""A run's scores under resamples of its validation images, the same resamples for all runs on a data set."""

import hashlib
from pathlib import Path

import numpy as np

from triplehead.data.archive import write_archive
from triplehead.engine.accumulate import resampled_scores
from triplehead.engine.matches import read_matches
from triplehead.paths import MATCHES, REPLICATES
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling


def resample(spec: RunSpec, run: Path, resampling: Resampling, again: bool = False) -> None:
    """Write replicates.npz into the run's folder, from matches.npz there: each metric under each resample, and on
    the images as they are. again: after the run, by the rule of this name, whose file it then stays."""
    matches = read_matches(run / MATCHES)
    images = matches.num_images
    exact = resampled_scores(matches, np.ones((1, images), dtype=np.int64))
    replicates = resampled_scores(matches, image_counts(generator_of(spec.data_id, resampling), images, resampling))
    arrays = {
        "data": spec.data_id,
        "drawn": [resampling.replicates, resampling.seed],
        "num_images": images,
        "again": again,
        "metrics": list(exact),
        "scores": np.concatenate(list(exact.values())),
        "replicates": np.stack(list(replicates.values())),
    }
    write_archive(run / REPLICATES, {name: np.asarray(value) for name, value in arrays.items()})


def generator_of(data_id: str, resampling: Resampling) -> np.random.Generator:
    """The same for all runs on a data set, so that their resamples are pairs; another one for other data."""
    key = hashlib.sha256(f"{resampling.seed}/{data_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(key[:16], "big"))


def image_counts(generator: np.random.Generator, images: int, resampling: Resampling) -> np.ndarray:
    """How often each resample takes each image: int64 [B, N], N draws with replacement a line."""
    return generator.multinomial(images, np.full(images, 1 / images), size=resampling.replicates)
