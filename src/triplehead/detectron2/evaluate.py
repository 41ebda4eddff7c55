"""A run scored by detectron2: its test loader, inference loop and COCOEvaluator."""

import math
import sys
from contextlib import redirect_stdout
from pathlib import Path

from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.structures import Instances

from triplehead.data.render import Split
from triplehead.detectron2.contract import FORMAT, Contract
from triplehead.detectron2.data import register, test_loader
from triplehead.engine import runtime
from triplehead.engine.evaluate import protocol_scores, trained_model, write_evaluation
from triplehead.engine.finite import all_finite
from triplehead.plan.options import Evaluation
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling

NAMES = {"AP": "AP", "AP50": "AP50", "AP75": "AP75", "APS": "APs", "APM": "APm", "APL": "APl"}
BY_SIZE = ("APS", "APM", "APL")


def evaluate(
    spec: RunSpec,
    data: Path,
    run: Path,
    split: Split = "val",
    accelerator: str = "cpu",
    num_workers: int = 0,
    resampling: Resampling | None = None,
) -> dict[str, float | None]:
    """As `engine.evaluate.evaluate`: the same files, with detectron2's detections and its evaluator's AP.

    What its evaluator does not know is added by this suite's from the same detections: average recall, the matches that
    intervals are made from, sizes where the spec cuts them elsewhere than COCO, and 0 for a run that detects nothing,
    where it says NaN.
    """
    fabric = runtime.start(spec, accelerator)
    dataset = runtime.open_data(spec, data, split)
    detector = trained_model(spec, run, fabric)
    model = Contract(detector, spec.schedule.iterations, FORMAT).eval()
    evaluator = _Evaluator(register(dataset), tasks=("bbox",), distributed=False, use_fast_impl=False)
    # A job's log takes pycocotools' tables, not the user's progress.
    with all_finite(detector, spec.id), redirect_stdout(sys.stderr):
        found = inference_on_dataset(model, test_loader(spec, dataset, num_workers), evaluator) or {}
    results = evaluator.results()
    scores, matches = protocol_scores(spec, dataset, results)
    default = Evaluation()
    for name, theirs in NAMES.items() if results else ():
        sizes = (spec.evaluation.area_small, spec.evaluation.area_large)
        if name not in BY_SIZE or sizes == (default.area_small, default.area_large):
            value = float(found["bbox"][theirs])
            scores[name] = None if math.isnan(value) else value
    write_evaluation(spec, run, len(dataset), results, scores, matches, resampling)
    return scores


class _Evaluator(COCOEvaluator):
    """Rounds what it is given as this suite's files have it, so that both score the same numbers."""

    def process(self, inputs: list[dict], outputs: list[dict[str, Instances]]) -> None:
        before = len(self._predictions)
        super().process(inputs, outputs)
        for prediction in self._predictions[before:]:
            for each in prediction["instances"]:
                each |= {"bbox": [round(side, 3) for side in each["bbox"]], "score": round(each["score"], 6)}

    def results(self) -> list[dict]:
        """All detections in COCO's format, once evaluated: then its categories have taken the place of the labels."""
        return [each for prediction in self._predictions for each in prediction["instances"]]
