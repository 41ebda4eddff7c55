"""A run's scores under resamples of its validation images: replicates.npz beside scores.json."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from triplehead.data.archive import REPLICATE_ARRAYS, read_archive
from triplehead.errors import InputError
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling


@dataclass(frozen=True)
class Replicates:
    """scores: metric -> percent on the images as they are. replicates: metric -> float64 [B]. NaN and None where
    there is nothing to find."""

    scores: dict[str, float | None]
    replicates: dict[str, np.ndarray]
    num_images: int


def read_replicates(path: Path, spec: RunSpec, resampling: Resampling) -> Replicates:
    """Raises InputError for a file that is broken, or of other data or resamples than asked for."""
    stamp = path.stat()
    data, drawn, found = _read(path, stamp.st_mtime_ns, stamp.st_size)
    if (data, drawn) != (spec.data_id, (resampling.replicates, resampling.seed)):
        raise InputError(path, "is of other images or resamples than the scale asks for; make it again")
    return found


@cache
def _read(path: Path, mtime: int, size: int) -> tuple[str, tuple[int, ...], Replicates]:
    content = read_archive(path, REPLICATE_ARRAYS)
    metrics = [str(name) for name in content["metrics"]]
    scores, values = content["scores"], content["replicates"]
    if values.ndim != 2 or not len(metrics) == len(scores) == len(values) or values.shape[1] != content["drawn"][0]:
        raise InputError(path, "expected a line of replicates for each metric")
    exact = {name: None if np.isnan(score) else float(score) for name, score in zip(metrics, scores, strict=True)}
    found = Replicates(exact, dict(zip(metrics, values, strict=True)), int(content["num_images"]))
    return str(content["data"]), tuple(map(int, content["drawn"])), found
