"""PASCAL VOC's average precision, by area and by eleven points, at one IoU or at COCO's ten."""

from collections.abc import Sequence

import numpy as np

from triplehead.data.overlaps import overlaps
from triplehead.data.results import Detections, detections, true_boxes
from triplehead.data.truth import ImageTruth
from triplehead.engine.average_precision import THRESHOLDS, area, eleven_points
from triplehead.engine.matches import FALSE, NEITHER, TRUE, Matches, by_class


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
    truth: Sequence[ImageTruth], found: Detections, num_classes: int, thresholds: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """By area and by eleven points: two float64 [T, C], NaN for a class without a box to find.

    The devkit's matching. Best score first, equal scores in their order in `found`, a detection goes to the box of
    its image and class with the highest IoU (the first of equals), taken or not; it counts if that IoU is at least
    the threshold (the devkit's >=, detectron2 has >). The first on a box is a hit, all later ones are false, and so
    is one that reaches none. On a difficult box it is neither, however many there are; difficult boxes need not be
    found. Unlike detectron2, scores and boxes are not rounded (there to 3 decimals and 0.1 pixels).
    """
    outcome, found, positives = _matched(truth, found, num_classes, thresholds)
    by_area, by_points = np.full((2, len(thresholds), num_classes), np.nan)
    for label in range(num_classes):
        if not (wanted := int(positives[:, label].sum())):
            continue
        for index, row in enumerate(outcome[:, found.label == label]):
            hits = row[row != NEITHER] == TRUE
            by_area[index, label], by_points[index, label] = area(hits, wanted), eleven_points(hits, wanted)
    return by_area, by_points


def voc_matches(truth: Sequence[ImageTruth], results: list[dict], categories: Sequence[tuple[int, str]]) -> Matches:
    """What `average_precisions` counts, image by image."""
    found = detections(results, truth, categories)
    outcome, found, positives = _matched(truth, found, len(categories), THRESHOLDS)
    return by_class("voc", found.image, found.label, outcome[None], positives[None])


def _matched(
    truth: Sequence[ImageTruth], found: Detections, num_classes: int, thresholds: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, Detections, np.ndarray]:
    """Outcomes int8 [T, D], the detections best first, and the boxes to find: int64 [N, C]."""
    found = found.best_first()
    real, difficult = true_boxes(truth)
    members = real.groups()
    best_iou, best = np.full(len(found.scores), -1.0), np.zeros(len(found.scores), dtype=np.int64)
    for key, group in found.groups().items():
        if key in members:
            shared = overlaps(found.boxes[group], real.boxes[members[key]])
            best_iou[group], best[group] = shared.max(axis=1), members[key][shared.argmax(axis=1)]
    outcome = np.stack([_outcome(best_iou >= threshold, best, difficult) for threshold in thresholds])
    positives = np.zeros((len(truth), num_classes), dtype=np.int64)
    np.add.at(positives, (real.image[~difficult], real.label[~difficult]), 1)
    return outcome, found, positives


def _outcome(reached: np.ndarray, best: np.ndarray, difficult: np.ndarray) -> np.ndarray:
    """TRUE, FALSE or NEITHER: int8 [D]. A box is of one class, so all classes go together."""
    outcome = np.full(len(reached), FALSE, dtype=np.int8)
    on_box = np.flatnonzero(reached)
    _, first = np.unique(best[on_box], return_index=True)
    outcome[on_box[first]] = TRUE
    outcome[on_box[difficult[best[on_box]]]] = NEITHER
    return outcome


def _summary(values: np.ndarray, suffix: str) -> dict[str, float | None]:
    return {
        f"AP{suffix}": _percent(values),
        f"AP50{suffix}": _percent(values[0]),
        f"AP75{suffix}": _percent(values[5]),
    }


def _percent(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return 100 * float(known.mean()) if len(known) else None
