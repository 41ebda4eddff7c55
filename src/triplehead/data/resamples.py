"""Which images a resample takes: the same for all runs on a data set."""

import hashlib

import numpy as np

from triplehead.plan.schema import Resampling


def generator_of(data_id: str, resampling: Resampling) -> np.random.Generator:
    """The same for all runs on a data set, so that their resamples are pairs; another one for other data."""
    key = hashlib.sha256(f"{resampling.seed}/{data_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(key[:16], "big"))


def image_counts(generator: np.random.Generator, images: int, resampling: Resampling) -> np.ndarray:
    """How often each resample takes each image: int64 [B, N], N draws with replacement a line."""
    return generator.multinomial(images, np.full(images, 1 / images), size=resampling.replicates)
