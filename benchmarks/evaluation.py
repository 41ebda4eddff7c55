"""COCO's evaluation of many detections, by pycocotools and as we do it; resamples from stored matches."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from benchmarks.measure import Result, compare
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from triplehead.engine.accumulate import resampled_scores
from triplehead.engine.coco_scores import coco_evaluation, coco_matches, coco_numbers
from triplehead.plan.options import Evaluation

CLASSES, PER_IMAGE = 80, 100
RESAMPLES = 1000


def made_up(images: int, seed: int = 0) -> tuple[dict, list[dict]]:
    """Annotations and 100 detections an image, half of them near an object."""
    generator = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        own = []
        classes = generator.choice(CLASSES, 4, replace=False) + 1
        for _ in range(generator.poisson(7)):
            size = np.exp(generator.uniform(np.log(12), np.log(300), 2))
            box = np.concatenate([generator.uniform(0, 0.6, 2) * (640, 480), size])
            own.append((int(generator.choice(classes)), box))
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": own[-1][0], "bbox": box.tolist()}
            annotations.append(row | {"area": float(size.prod()), "iscrowd": int(generator.random() < 0.01)})
        for _ in range(PER_IMAGE):
            if own and generator.random() < 0.5:
                label, box = own[generator.integers(len(own))]
                box = box + generator.normal(0, 0.1, 4) * np.tile(box[2:], 2)
                score = generator.beta(3, 3)
            else:
                label, score = int(generator.integers(1, CLASSES + 1)), generator.beta(1, 6)
                box = np.concatenate([generator.uniform(0, 400, 2), np.exp(generator.uniform(2.5, 5.7, 2))])
            results.append({"image_id": image, "category_id": label, "bbox": box.tolist(), "score": float(score)})
    content = {
        "images": [{"id": image, "width": 640, "height": 480} for image in range(1, images + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(1, CLASSES + 1)],
        "annotations": annotations,
    }
    return content, results


def by_pycocotools(path: Path, results: list[dict]) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        evaluator = COCOeval(truth, truth.loadRes([dict(row) for row in results]), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.json"
        yield from _evaluations(path, 500, rounds=5)
        yield from _resamples(path, 500)
        yield from _evaluations(path, 5000, rounds=3)


def _evaluations(path: Path, images: int, rounds: int) -> Iterator[Result]:
    content, results = made_up(images)
    path.write_text(json.dumps(content))

    def ours() -> dict[str, float | None]:
        evaluation = coco_evaluation(path, results, Evaluation())
        return coco_numbers(evaluation, coco_matches(evaluation))

    if list(ours().values()) != [100 * value for value in by_pycocotools(path, results).stats]:
        raise AssertionError(f"{images} images: the two evaluations disagree")
    calls = {"ours, with matches": ours, "pycocotools": lambda: by_pycocotools(path, results)}
    yield from compare(f"COCO evaluation, {images} images, {len(results)} detections", calls, rounds)


def _resamples(path: Path, images: int) -> Iterator[Result]:
    yield from compare(f"bootstrap, {images} images, pycocotools", resample_calls(path, images), 3)


def resample_calls(path: Path, images: int) -> dict[str, Callable[[], object]]:
    """All resamples from stored matches, and one accumulation by pycocotools, which a resample would take of it."""
    content, results = made_up(images)
    path.write_text(json.dumps(content))
    matches = coco_matches(coco_evaluation(path, results, Evaluation()))
    counts = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), RESAMPLES)
    theirs = by_pycocotools(path, results)

    def accumulate() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            theirs.accumulate()

    return {f"{RESAMPLES} resamples": lambda: resampled_scores(matches, counts), "one accumulation": accumulate}
