"""VisDrone's scores by the organisers' protocol as an evaluator of detectron2."""

import math
from pathlib import Path
from typing import Any

from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import Instances
from detectron2.utils import comm

from triplehead.data.visdrone import VisDroneDataset
from triplehead.engine.evaluate import coco_results
from triplehead.engine.visdrone_scores import visdrone_scores


class VisDroneEvaluator(DatasetEvaluator):
    """`visdrone_scores` of a split whose folder its metadata name as `dirname`."""

    def __init__(self, dataset_name: str):
        self.dataset = VisDroneDataset(Path(MetadataCatalog.get(dataset_name).dirname))
        self.reset()

    def reset(self) -> None:
        self._results: list[dict] = []

    def process(self, inputs: list[dict], outputs: list[dict[str, Instances]]) -> None:
        for given, output in zip(inputs, outputs, strict=True):
            found = output["instances"]
            size = found.image_size  # the original's: detectron2's models hand out its pixels
            boxes = {"boxes": found.pred_boxes.tensor, "scores": found.scores, "labels": found.pred_classes}
            target = {"image_id": given["image_id"], "size": size}
            self._results += coco_results(boxes, target, size, self.dataset.label_to_category)

    def evaluate(self) -> dict[str, dict[str, float]] | None:
        """Percent, NaN where there is nothing to find; from all processes, in the first one."""
        gathered: list[Any] = comm.gather(self._results, dst=0)
        if not comm.is_main_process():
            return None
        results = [each for part in gathered for each in part]
        scores = visdrone_scores(self.dataset.truth(), results, self.dataset.categories)
        # AP50/car -> AP50-car: so detectron2 knows a class's, and leaves it out of the line to copy.
        return {
            "bbox": {name.replace("/", "-"): math.nan if value is None else value for name, value in scores.items()}
        }
