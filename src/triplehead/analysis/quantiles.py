"""Figure 5: the share of a detector's predictions whose IoU reaches a threshold."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from triplehead.data.overlaps import overlaps
from triplehead.data.results import detections, true_boxes
from triplehead.data.truth import ImageTruth

THRESHOLDS = tuple(step / 100 for step in range(50, 100, 5))
# The paper gives no definition. This is the threshold of its code base, there on class probabilities; a higher one
# would be a choice of ours, and one that favours detectors with high scores. Most of what is left lies on no object:
# a detector returns up to its limit of detections for every image.
MIN_SCORE = 0.05
DEFINITION = (
    "Share of a detector's predictions (all that it returns for the validation images: score above 0.05, after NMS, at "
    "most 100 an image) whose IoU with the best-overlapping object of their own image and class is at least the "
    "threshold; crowds are no objects, and a prediction in an image without an object of its class has IoU 0."
)


def prediction_ious(
    truth: Sequence[ImageTruth],
    results: list[dict],
    categories: Sequence[tuple[int, str]],
    min_score: float = MIN_SCORE,
) -> np.ndarray:
    """Each prediction's IoU with the best true box of its image and class: [D], in the order of `results` (COCO's
    format). Several predictions may share a box: localisation is measured here, not duplicates."""
    return localised(truth, results, categories, min_score)[1]


def localised(
    truth: Sequence[ImageTruth],
    results: list[dict],
    categories: Sequence[tuple[int, str]],
    min_score: float = MIN_SCORE,
) -> tuple[np.ndarray, np.ndarray]:
    """As `prediction_ious`, with the index of each prediction's image in `truth` before it: [D] both."""
    found = detections(results, truth, categories)
    found = found.select(found.scores > min_score)
    real, ignore = true_boxes(truth)
    objects = {key: group[~ignore[group]] for key, group in real.groups().items()}
    ious = np.zeros(len(found.scores))
    for key, group in found.groups().items():
        if len(own := objects.get(key, ())):
            ious[group] = overlaps(found.boxes[group], real.boxes[own]).max(axis=1)
    return found.image, ious


def shares(ious: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> pd.DataFrame:
    """One run: threshold, share in percent (NaN without predictions), n predictions."""
    percent = [100 * float(np.mean(ious >= threshold)) if len(ious) else math.nan for threshold in thresholds]
    return pd.DataFrame({"threshold": list(thresholds), "share": percent, "n": len(ious)})
