"""COCO's average precision by faster-coco-eval, pycocotools' algorithm in C++, and what it has matched.

The matches are pycocotools', and so, to the last bit, are the scores: precision is accumulated by our own
`accumulate`, since the C++ rounds it otherwise (`tests/engine/test_coco_scores.py`).
"""

import contextlib
import io
from itertools import product
from pathlib import Path

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from triplehead.engine.accumulate import resampled_scores
from triplehead.engine.matches import FALSE, NEITHER, TRUE, Matches, by_class
from triplehead.plan.options import Evaluation

PRECISIONS = ("AP", "AP50", "AP75", "APS", "APM", "APL")
RECALLS = ("AR1", "AR10", "AR100", "ARS", "ARM", "ARL")
NAMES = PRECISIONS + RECALLS  # in the order in which pycocotools prints them


def coco_scores(annotations: Path, results: list[dict], options: Evaluation) -> dict[str, float | None]:
    """The twelve COCO numbers in percent; None where the ground truth has no object of that size.

    results: COCO's results format. Object sizes are cut at `area_small` and `area_large` square pixels.
    """
    evaluation = coco_evaluation(annotations, results, options)
    return coco_numbers(evaluation, coco_matches(evaluation))


def coco_evaluation(annotations: Path, results: list[dict], options: Evaluation) -> COCOeval_faster:
    """The evaluator, done: evaluated and accumulated."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        if results:
            detections = truth.loadRes(results)
        else:  # loadRes refuses an empty list
            detections = COCO()
            detections.dataset = {key: truth.dataset[key] for key in ("images", "categories")} | {"annotations": []}
            detections.createIndex()
        evaluator = COCOeval_faster(truth, detections, iouType="bbox", separate_eval=True)
        small, large, largest = options.area_small, options.area_large, 1e10
        evaluator.params.areaRng = [[0, largest], [0, small], [small, large], [large, largest]]
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def coco_numbers(evaluator: COCOeval_faster, matches: Matches) -> dict[str, float | None]:
    """`coco_scores` of an evaluation that is done."""
    precision = resampled_scores(matches, np.ones((1, matches.num_images), dtype=int))
    numbers = {name: _or_none(precision[name][0]) for name in PRECISIONS}
    recall = np.asarray(evaluator.eval["recall"])  # [T, K, A, detections of an image]; -1 where there is no object
    of_all = [recall[:, :, 0, most] for most in range(3)]
    for name, part in zip(RECALLS, [*of_all, *(recall[:, :, size, 2] for size in (1, 2, 3))], strict=True):
        known = part[part > -1]
        numbers[name] = 100 * float(np.mean(known)) if known.size else None
    return numbers


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def coco_matches(evaluator: COCOeval_faster) -> Matches:
    """What was matched, in pycocotools' order: by image id, equal scores in that order. A detection is NEITHER where it
    lies on a crowd or on an object of another size, or on none and is of another size itself."""
    parameters = evaluator.params
    images, classes, sizes = (len(each) for each in (parameters.imgIds, parameters.catIds, parameters.areaRng))
    thresholds = len(parameters.iouThrs)
    positives = np.zeros((sizes, images, classes), dtype=np.int32)
    images_of, labels, scores = [], [], []
    outcomes: list[list[np.ndarray]] = [[] for _ in range(sizes)]
    for category, index in _pairs(evaluator):
        for size in range(sizes):
            # Class by class, size by size, image by image; its pickled state is all that it tells Python.
            each = evaluator._evalImgs_cpp[(category * sizes + size) * images + index]
            matched, _, found, crowd, ignored, _ = each.__getstate__()
            positives[size, index, category] = crowd.count(False)
            true = np.array(matched).reshape(thresholds, -1) != 0
            ignored = np.array(ignored, dtype=bool).reshape(thresholds, -1)
            outcomes[size].append(np.where(ignored, NEITHER, np.where(true, TRUE, FALSE)).astype(np.int8))
            if size == 0:  # the detections are the same for all
                images_of.append(np.full(len(found), index))
                labels.append(np.full(len(found), category))
                scores.append(found)
    none = [np.zeros(0, dtype=int)]  # so that there is something to join
    order = np.argsort(-np.concatenate([*none, *scores]), kind="stable")
    outcome = np.stack([np.concatenate([np.zeros((thresholds, 0), np.int8), *each], axis=1) for each in outcomes])
    image, label = np.concatenate([*none, *images_of]), np.concatenate([*none, *labels])
    return by_class("coco", image[order], label[order], outcome[..., order], positives)


def _pairs(evaluator: COCOeval_faster) -> list[tuple[int, int]]:
    """Class and image, as indices, in which there is an object or a detection; by class, then image."""
    there = {
        (row["category_id"], row["image_id"])
        for row in [*evaluator.cocoGt.dataset["annotations"], *evaluator.cocoDt.dataset["annotations"]]
    }
    classes, images = enumerate(evaluator.params.catIds), list(enumerate(evaluator.params.imgIds))
    return [(k, n) for (k, category), (n, image) in product(classes, images) if (category, image) in there]
