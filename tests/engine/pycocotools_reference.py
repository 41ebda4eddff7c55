"""COCO's scores and matches by pycocotools itself: what `triplehead.engine.coco_scores` has to equal."""

import contextlib
import io
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from triplehead.engine.matches import FALSE, NEITHER, TRUE, Matches, by_class
from triplehead.plan.options import Evaluation

NAMES = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")


def coco_evaluation(annotations: Path, results: list[dict], options: Evaluation) -> COCOeval:
    """Evaluated, accumulated, summarised."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        if results:
            detections = truth.loadRes(results)
        else:  # loadRes refuses an empty list
            detections = COCO()
            detections.dataset = {key: truth.dataset[key] for key in ("images", "categories")} | {"annotations": []}
            detections.createIndex()
        evaluator = COCOeval(truth, detections, iouType="bbox")
        small, large, largest = options.area_small, options.area_large, 1e10
        evaluator.params.areaRng = [[0, largest], [0, small], [small, large], [large, largest]]
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def coco_numbers(annotations: Path, results: list[dict], options: Evaluation) -> dict[str, float | None]:
    """The twelve numbers in percent; None where there is no object of that size."""
    stats = coco_evaluation(annotations, results, options).stats
    return {name: None if value < 0 else 100 * float(value) for name, value in zip(NAMES, stats, strict=True)}


def coco_matches(evaluator: COCOeval) -> Matches:
    """From its `evalImgs`."""
    parameters = evaluator.params
    images, classes, sizes = (len(each) for each in (parameters.imgIds, parameters.catIds, parameters.areaRng))
    positives = np.zeros((sizes, images, classes), dtype=np.int32)
    image, label, scores, outcomes = [], [], [], [[] for _ in range(sizes)]
    found = iter(evaluator.evalImgs)  # class by class, size by size, image by image
    for category in range(classes):
        for size in range(sizes):
            for index in range(images):
                if (each := next(found)) is None:
                    continue
                positives[size, index, category] = np.count_nonzero(each["gtIgnore"] == 0)
                true = each["dtMatches"] != 0
                outcomes[size].append(np.where(each["dtIgnore"] != 0, NEITHER, np.where(true, TRUE, FALSE)))
                if size == 0:  # the detections are the same for all
                    count = len(each["dtScores"])
                    image.append(np.full(count, index))
                    label.append(np.full(count, category))
                    scores.append(each["dtScores"])
    none = [np.zeros(0, dtype=int)]  # so that there is something to join
    order = np.argsort(-np.concatenate([*none, *scores]), kind="stable")
    thresholds = len(parameters.iouThrs)
    outcome = np.stack([np.concatenate([np.zeros((thresholds, 0)), *each], axis=1) for each in outcomes])
    image, label = np.concatenate([*none, *image]), np.concatenate([*none, *label])
    return by_class("coco", image[order], label[order], outcome[..., order], positives)
