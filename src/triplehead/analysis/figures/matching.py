"""Which detections are right, for pictures: by class, at IoU 0.5, in the order of their scores."""

import math
from collections.abc import Sequence

import numpy as np

from triplehead.data.overlaps import overlaps
from triplehead.data.results import Detections, true_boxes
from triplehead.data.truth import ImageTruth

IOU = 0.5
FALSE, IGNORED = -1, -2


def match(truth: Sequence[ImageTruth], found: Detections) -> np.ndarray:
    """Detections, best first -> [D]: the object that each finds (an index into `true_boxes`), FALSE or IGNORED.

    As COCO does: each takes, of the objects of its image and class that no better one has taken, the one that it
    overlaps most, at least with IoU 0.5. One that finds none but lies in an ignored object (a crowd) is ignored.
    """
    real, ignore = true_boxes(truth)
    objects = real.groups()
    matched = np.full(len(found.scores), FALSE)
    for key, group in found.groups().items():
        if key not in objects:
            continue
        own = objects[key]
        iou = overlaps(found.boxes[group], real.boxes[own], ignore[own])  # [D, M]
        free = ~ignore[own]
        for index, row in zip(group, iou, strict=True):
            best = np.where(free, row, 0).argmax()
            if free[best] and row[best] >= IOU:
                matched[index], free[best] = own[best], False
            elif (row[ignore[own]] >= IOU).any():
                matched[index] = IGNORED
    return matched


def best_threshold(scores: np.ndarray, matched: np.ndarray, objects: int) -> float:
    """The score, of detections best first, that splits them with the highest F1; infinite where there are none.

    Every detector is shown at its own: scores of different detectors do not mean the same.
    """
    if not len(scores):
        return math.inf
    right, shown = (matched >= 0).cumsum(), (matched != IGNORED).cumsum()
    return float(scores[np.argmax(2 * right / np.maximum(shown + objects, 1))])
