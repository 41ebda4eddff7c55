"""Figure 5's share of predictions at or above an IoU, as a cell: a seed each, and under each resample of the images."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from triplehead.analysis.figures.read import read_results
from triplehead.analysis.quantiles import localised
from triplehead.analysis.statistics.samples import Sample
from triplehead.data.prepare import open_split
from triplehead.data.resamples import generator_of, image_counts
from triplehead.data.truth import ImageTruth
from triplehead.plan.claims import Place
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling


def share_sample(plan: Plan, results: Path, place: Place, iou: float) -> Sample:
    """In percent; of runs that have detections. Raises InputError for a file that is broken."""
    values, replicates, num_images = {}, {}, 0
    for spec in plan.specs.get(place, ()):
        if not (results / "runs" / spec.id / "detections.json.gz").exists():
            continue
        reached, every = _by_image(results.absolute(), spec, iou)
        if not every.any():
            continue
        num_images = len(every)
        values[spec.seed] = 100 * float(reached.sum() / every.sum())
        replicates[spec.seed] = resampled(reached, every, _drawn(spec.data_id, num_images, plan.scale.resampling))
    return Sample(values, replicates, num_images)


def reaching(plan: Plan, results: Path, place: Place, iou: float) -> tuple[list[int], list[int]]:
    """How many predictions of each run reach the IoU, and of how many."""
    runs = [spec for spec in plan.specs.get(place, ()) if (results / "runs" / spec.id / "detections.json.gz").exists()]
    counts = [_by_image(results.absolute(), spec, iou) for spec in runs]
    return [int(reached.sum()) for reached, _ in counts], [int(every.sum()) for _, every in counts]


def resampled(reached: np.ndarray, every: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The share in percent under each resample: float64 [B], of `counts` [B, N]; NaN where it holds no prediction."""
    of = counts @ every
    return np.divide(100.0 * (counts @ reached), of, out=np.full(len(counts), np.nan), where=of > 0)


@cache
def _by_image(results: Path, spec: RunSpec, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of each image that reach the IoU, and all of them: int64 [N] both."""
    dataset = open_split(results / "data" / spec.data_id, "val")
    found = read_results(results / "runs" / spec.id / "detections.json.gz", dataset)
    return counted(dataset.truth(), found, dataset.categories, iou)


def counted(
    truth: Sequence[ImageTruth], found: list[dict], categories: Sequence[tuple[int, str]], iou: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `_by_image`, of COCO's results."""
    image, ious = localised(truth, found, categories)
    return np.bincount(image[ious >= iou], minlength=len(truth)), np.bincount(image, minlength=len(truth))


@cache
def _drawn(data_id: str, images: int, resampling: Resampling) -> np.ndarray:
    return image_counts(generator_of(data_id, resampling), images, resampling)
