"""VisDrone2019-DET's scores, by the protocol of the organisers' toolkit (VisDrone2018-DET-toolkit)."""

from collections.abc import Sequence

import numpy as np

from triplehead.data.overlaps import covered, overlaps
from triplehead.data.results import Detections, detections, true_boxes
from triplehead.data.truth import ImageTruth
from triplehead.engine.average_precision import THRESHOLDS, area
from triplehead.engine.matches import NEITHER, TRUE, Matches, by_class

MAX_DETECTIONS = (1, 10, 100, 500)  # an image, over all classes; the last is that of AP
COVERED = 0.5  # share of a box in ignored regions from which on it is removed


def visdrone_scores(
    truth: Sequence[ImageTruth], results: list[dict], categories: Sequence[tuple[int, str]]
) -> dict[str, float | None]:
    """Percent; None where nothing can be found.

    AP (IoU .50:.05:.95), AP50, AP75 and the recalls AR1, AR10, AR100, AR500 are the toolkit's means, in which a class
    weighs as much as the number of images that hold it: Table 7 prints these, since the published numbers of this
    data set come from the toolkit. AP_classmean, AP50_classmean, AP75_classmean weigh classes equally. AP50/<class>.

    - Boxes and detections with at least half of their area in the union of an image's ignored regions are removed
      (sides below a pixel count as one). Areas are exact; the toolkit counts pixels of a mask in which a region is a
      pixel larger to the left and the top.
    - Of what is left, the 500 highest scores of an image count, over all classes. The toolkit takes the first 500
      of the file: it expects them sorted.
    - Matching is `match`. A box with score 0 need not be found; the toolkit would count it in recall's denominator,
      but the released files hold no such box of the ten classes.
    - A category that is not evaluated ("others", 11) is not in `truth`: a detection on one is false.
    """
    outcome, found, rank, wanted = _matched(truth, results, categories)
    precision = np.full((len(THRESHOLDS), len(categories)), np.nan)
    recall = np.full((len(MAX_DETECTIONS), len(THRESHOLDS), len(categories)), np.nan)
    weight = np.zeros(len(categories))
    for label in range(len(categories)):
        own = found.label == label
        weight[label], positives = np.count_nonzero(wanted[:, label]), int(wanted[:, label].sum())
        if not positives:
            continue
        for index, row in enumerate(outcome[:, own]):
            precision[index, label] = area(row[row != NEITHER] == TRUE, positives)
            for place, most in enumerate(MAX_DETECTIONS):
                recall[place, index, label] = np.sum((row == TRUE) & (rank[own] < most)) / positives

    parts = {"AP": precision, "AP50": precision[:1], "AP75": precision[5:6]}
    recalls = {f"AR{most}": recall[place] for place, most in enumerate(MAX_DETECTIONS)}
    scores = {name: _mean(values, weight) for name, values in (parts | recalls).items()}
    scores |= {f"{name}_classmean": _mean(values, (weight > 0).astype(float)) for name, values in parts.items()}
    return scores | {f"AP50/{name}": _mean(precision[:1, [i]], weight[[i]]) for i, (_, name) in enumerate(categories)}


def visdrone_matches(
    truth: Sequence[ImageTruth], results: list[dict], categories: Sequence[tuple[int, str]]
) -> Matches:
    """What `visdrone_scores` counts, image by image."""
    outcome, found, _, wanted = _matched(truth, results, categories)
    return by_class("visdrone", found.image, found.label, outcome[None], wanted[None])


def _matched(
    truth: Sequence[ImageTruth], results: list[dict], categories: Sequence[tuple[int, str]]
) -> tuple[np.ndarray, Detections, np.ndarray, np.ndarray]:
    """Outcomes int8 [T, D], the detections that count best first, their ranks in their images int64 [D], and the
    boxes to find: int64 [N, C]."""
    real, ignore = true_boxes(truth)
    found = detections(results, truth, categories)
    found = found.select(np.argsort(found.image, kind="stable")).best_first()  # equal scores: image by image
    dropped_real, dropped = (_in_regions(truth, each.image, each.boxes) for each in (real, found))
    found = found.select(~dropped)
    rank = _rank(found.image)
    few = rank < MAX_DETECTIONS[-1]
    found, rank = found.select(few), rank[few]
    members = {key: group[~dropped_real[group]] for key, group in real.groups().items()}

    outcome = np.zeros((len(THRESHOLDS), len(found.scores)), dtype=np.int8)
    for key, group in found.groups().items():
        if key in members:
            boxes, neither = real.boxes[members[key]], ignore[members[key]]
            outcome[:, group] = match(overlaps(found.boxes[group], boxes, neither), neither, THRESHOLDS)

    counted = ~ignore & ~dropped_real
    wanted = np.zeros((len(truth), len(categories)), dtype=np.int64)
    np.add.at(wanted, (real.image[counted], real.label[counted]), 1)
    return outcome, found, rank, wanted


def match(shared: np.ndarray, ignore: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Outcomes int8 [T, D] of one image and class: TRUE, FALSE or NEITHER.

    shared: [D, M], best score first; IoU, and IoF in the columns that `ignore` [M] marks (`overlaps`). A detection
    takes the free box with the highest IoU of at least the threshold (the last of equals); failing that, it is
    neither if its IoF with an ignored box is at least the threshold. An ignored box can be matched again and again.
    """
    to_find, rest = shared[:, ~ignore], shared[:, ignore]
    outcome = np.zeros((len(thresholds), len(shared)), dtype=np.int8)
    if rest.shape[1]:
        outcome[rest.max(axis=1) >= thresholds[:, None]] = NEITHER
    if not to_find.shape[1]:
        return outcome
    to_find = to_find[:, ::-1]  # argmax gives the first of equals
    every = np.arange(len(thresholds))
    free = np.ones((len(thresholds), to_find.shape[1]), dtype=bool)
    for index in np.flatnonzero(to_find.max(axis=1) >= thresholds.min()):
        options = np.where(free & (to_find[index] >= thresholds[:, None]), to_find[index], -1)
        best = options.argmax(axis=1)
        taken = options[every, best] >= 0
        outcome[taken, index] = TRUE
        free[every[taken], best[taken]] = False
    return outcome


def _in_regions(truth: Sequence[ImageTruth], image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    boxes = np.concatenate([boxes[:, :2], np.maximum(boxes[:, 2:], boxes[:, :2] + 1)], axis=1)
    inside = np.zeros(len(boxes), dtype=bool)
    order = np.argsort(image, kind="stable")
    ends = np.searchsorted(image[order], np.arange(len(truth) + 1))
    for index, each in enumerate(truth):
        own = order[ends[index] : ends[index + 1]]
        inside[own] = covered(boxes[own], each.regions) >= COVERED
    return inside


def _rank(image: np.ndarray) -> np.ndarray:
    """Each entry's place among those of its image: int64 [D] from 0."""
    order = np.argsort(image, kind="stable")
    ordered = image[order]
    rank = np.empty(len(image), dtype=np.int64)
    rank[order] = np.arange(len(image)) - np.searchsorted(ordered, ordered)
    return rank


def _mean(values: np.ndarray, weight: np.ndarray) -> float | None:
    """Percent; over all rows of [T, C], classes by weight."""
    known = weight > 0
    if not known.any():
        return None
    return 100 * float(np.average(values[:, known].mean(axis=0), weights=weight[known]))
