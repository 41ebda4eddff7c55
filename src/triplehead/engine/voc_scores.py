"""PASCAL VOC's average precision, by area and by eleven points, at one IoU or at COCO's ten."""

from collections.abc import Sequence

import numpy as np

from triplehead.data.overlaps import overlaps
from triplehead.data.results import Detections, detections, true_boxes
from triplehead.data.truth import ImageTruth
from triplehead.engine.average_precision import THRESHOLDS, area, eleven_points


def voc_scores(
    truth: Sequence[ImageTruth], results: list[dict], categories: Sequence[tuple[int, str]]
) -> dict[str, float | None]:
    """Percent. AP (mean over IoU .50:.05:.95 and classes), AP50, AP75: area under the curve, as VOC since 2010.
    AP_11point, AP50_11point, AP75_11point: eleven points, as the VOC2007 challenge. AP50/<class>: area.

    The paper does not say which it prints. Table 6 takes the eleven points: detectron2, which the paper names, takes
    them for VOC2007's test set, and is where VOC is scored by these three numbers. None where nothing can be found.
    """
    found = detections(results, truth, categories)
    by_area, by_points = average_precisions(truth, found, len(categories), THRESHOLDS)
    scores = _summary(by_area, "") | _summary(by_points, "_11point")
    names = [name for _, name in categories]
    return scores | {f"AP50/{name}": _percent(by_area[:1, label]) for label, name in enumerate(names)}


def average_precisions(
    truth: Sequence[ImageTruth], found: Detections, num_classes: int, thresholds: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """By area and by eleven points: two float64 [T, C], NaN for a class without a box to find.

    The devkit's matching. Best score first, equal scores in their order in `found`, a detection goes to the box of
    its image and class with the highest IoU (the first of equals), taken or not; it counts if that IoU is at least
    the threshold (the devkit's >=, detectron2 has >). The first on a box is a hit, all later ones are false, and so
    is one that reaches none. On a difficult box it is neither, however many there are; difficult boxes need not be
    found. Unlike detectron2, scores and boxes are not rounded (there to 3 decimals and 0.1 pixels).
    """
    found = found.best_first()
    real, difficult = true_boxes(truth)
    members = real.groups()
    best_iou, best = np.full(len(found.scores), -1.0), np.zeros(len(found.scores), dtype=np.int64)
    for key, group in found.groups().items():
        if key in members:
            shared = overlaps(found.boxes[group], real.boxes[members[key]])
            best_iou[group], best[group] = shared.max(axis=1), members[key][shared.argmax(axis=1)]

    by_area, by_points = np.full((2, len(thresholds), num_classes), np.nan)
    for label in range(num_classes):
        positives = int(np.sum((real.label == label) & ~difficult))
        if not positives:
            continue
        own = found.label == label
        for index, threshold in enumerate(thresholds):
            hits = _hits(best_iou[own] >= threshold, best[own], difficult)
            by_area[index, label], by_points[index, label] = area(hits, positives), eleven_points(hits, positives)
    return by_area, by_points


def _hits(reached: np.ndarray, best: np.ndarray, difficult: np.ndarray) -> np.ndarray:
    """True or false positive, for the detections [D] that count."""
    hits = np.zeros(len(reached), dtype=bool)
    on_box = np.flatnonzero(reached)
    _, first = np.unique(best[on_box], return_index=True)
    hits[on_box[first]] = True
    neither = np.zeros(len(reached), dtype=bool)
    neither[on_box] = difficult[best[on_box]]
    return hits[~neither]


def _summary(values: np.ndarray, suffix: str) -> dict[str, float | None]:
    return {
        f"AP{suffix}": _percent(values),
        f"AP50{suffix}": _percent(values[0]),
        f"AP75{suffix}": _percent(values[5]),
    }


def _percent(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return 100 * float(known.mean()) if len(known) else None
