"""Detections of a trained run on the validation split, and their COCO scores."""

import gzip
import json
from pathlib import Path

import torch
from torch import Tensor

from triplehead.data.loader import eval_loader
from triplehead.data.transforms import EvalTransform
from triplehead.detectors.build import build_detector
from triplehead.engine import checkpoint, runtime
from triplehead.engine.coco_scores import coco_scores
from triplehead.paths import atomic
from triplehead.plan.runs import RunSpec


def evaluate(
    spec: RunSpec, data: Path, run: Path, split: str = "val", accelerator: str = "cpu", num_workers: int = 0
) -> dict[str, float | None]:
    """Write detections.json.gz (COCO's results format) and scores.json into the run's folder; return the scores."""
    fabric = runtime.start(spec, accelerator)
    dataset = runtime.open_data(spec, data, split)
    state = checkpoint.load(run / "model.pt", spec.id)
    model = build_detector(spec)
    checkpoint.load_weights(model, state["model"], run / "model.pt")
    model = fabric.setup(model.to(memory_format=torch.channels_last).eval())

    results: list[dict] = []
    with torch.inference_mode():
        loader = eval_loader(dataset, EvalTransform(spec.input), spec.evaluation.batch_size, num_workers=num_workers)
        for images, targets in loader:
            images = [fabric.to_device(image) for image in images]
            for found, target, image in zip(model(images), targets, images, strict=True):
                results += coco_results(found, target, tuple(image.shape[1:]), dataset.label_to_category)

    scores = coco_scores(dataset.annotations, results, spec.evaluation)
    with atomic(run / "detections.json.gz") as file:
        text = json.dumps(results, separators=(",", ":"))
        file.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
    with atomic(run / "scores.json") as file:
        file.write_text(json.dumps(scores | {"images": len(dataset), "detections": len(results)}, indent=1) + "\n")
    return scores


def coco_results(
    found: dict[str, Tensor], target: dict, size: tuple[int, int], label_to_category: list[int]
) -> list[dict]:
    """One image's detections in COCO's results format, in pixels of the original image."""
    height, width = target["size"]
    scale = torch.tensor([width / size[1], height / size[0]] * 2)
    boxes = found["boxes"].float().cpu() * scale
    boxes[:, 2:] -= boxes[:, :2]
    rows = zip(boxes.tolist(), found["scores"].tolist(), found["labels"].tolist(), strict=True)
    return [
        {
            "image_id": target["image_id"],
            "category_id": label_to_category[label],
            "bbox": [round(side, 3) for side in box],
            "score": round(score, 6),
        }
        for box, score, label in rows
    ]
