"""A run's scores under resamples of its validation images, the same resamples for all runs on a data set."""

from pathlib import Path

import numpy as np

from triplehead.data.archive import write_archive
from triplehead.data.resamples import generator_of, image_counts
from triplehead.engine.accumulate import resampled_scores
from triplehead.engine.matches import read_matches
from triplehead.paths import MATCHES, REPLICATES
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling


def resample(spec: RunSpec, run: Path, resampling: Resampling) -> None:
    """Write replicates.npz into the run's folder, from matches.npz there: each metric under each resample, and on
    the images as they are."""
    matches = read_matches(run / MATCHES)
    images = matches.num_images
    exact = resampled_scores(matches, np.ones((1, images), dtype=np.int64))
    replicates = resampled_scores(matches, image_counts(generator_of(spec.data_id, resampling), images, resampling))
    arrays = {
        "data": spec.data_id,
        "drawn": [resampling.replicates, resampling.seed],
        "num_images": images,
        "metrics": list(exact),
        "scores": np.concatenate(list(exact.values())),
        "replicates": np.stack(list(replicates.values())),
    }
    write_archive(run / REPLICATES, {name: np.asarray(value) for name, value in arrays.items()})
