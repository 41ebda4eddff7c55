"""COCO's average precision, by pycocotools."""

import contextlib
import io
from pathlib import Path

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from triplehead.plan.options import Evaluation

NAMES = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")


def coco_scores(annotations: Path, results: list[dict], options: Evaluation) -> dict[str, float | None]:
    """The twelve COCO numbers in percent; None where the ground truth has no object of that size.

    results: COCO's results format. Object sizes are cut at `area_small` and `area_large` square pixels.
    """
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
    return {name: None if value < 0 else 100 * float(value) for name, value in zip(NAMES, evaluator.stats, strict=True)}
