"""Detections of a trained run on the validation split, and their scores by the data set's own protocol."""

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from triplehead.data.dataset import DetectionDataset
from triplehead.data.loader import eval_loader
from triplehead.data.render import Split
from triplehead.data.transforms import EvalTransform
from triplehead.detectors.boxes import size_of
from triplehead.detectors.build import build_detector
from triplehead.digests import check
from triplehead.engine import checkpoint, runtime
from triplehead.engine.coco_scores import coco_evaluation, coco_matches, coco_numbers
from triplehead.engine.finite import all_finite
from triplehead.engine.matches import Matches, write_matches
from triplehead.engine.resample import resample
from triplehead.engine.visdrone_scores import visdrone_matches, visdrone_scores
from triplehead.engine.voc_scores import voc_matches, voc_scores
from triplehead.paths import COUNTS, MATCHES, atomic
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Resampling


def evaluate(
    spec: RunSpec,
    data: Path,
    run: Path,
    split: Split = "val",
    accelerator: str = "cpu",
    num_workers: int = 0,
    resampling: Resampling | None = None,
) -> dict[str, float | None]:
    """Write detections.json.gz (COCO's results format), matches.npz, with `resampling` replicates.npz, and last
    scores.json into the run's folder; return the scores. Raises InputError for a model that is not that of the run, or
    whose outputs are not finite."""
    fabric = runtime.start(spec, accelerator)
    dataset = runtime.open_data(spec, data, split)
    model = trained_model(spec, run, fabric)
    with all_finite(model, spec.id):
        results = predict(model, dataset, spec, fabric, num_workers)
    scores, matches = protocol_scores(spec, dataset, results)
    write_evaluation(spec, run, len(dataset), results, scores, matches, resampling)
    return scores


def write_evaluation(
    spec: RunSpec,
    run: Path,
    images: int,
    results: list[dict],
    scores: Mapping[str, Any],
    matches: Matches,
    resampling: Resampling | None,
) -> None:
    """The files that `evaluate` names; scores.json comes last, and says that the others are there."""
    with atomic(run / "detections.json.gz") as file:
        text = json.dumps(results, separators=(",", ":"))
        file.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
    write_matches(run / MATCHES, matches)
    if resampling is not None:
        resample(spec, run, resampling)
    content = {**scores, COUNTS[0]: images, COUNTS[1]: len(results)}
    with atomic(run / "scores.json") as file:
        file.write_text(json.dumps(content, indent=1) + "\n")


def protocol_scores(
    spec: RunSpec, dataset: DetectionDataset, results: list[dict]
) -> tuple[dict[str, float | None], Matches]:
    """Percent, AP, AP50 and AP75 among them: COCO's, VOC's or VisDrone's, as the run's data set has it; and the
    matches that they were counted from."""
    if spec.dataset == "coco":
        evaluation = coco_evaluation(dataset.annotations, results, spec.evaluation)
        matches = coco_matches(evaluation)
        return coco_numbers(evaluation, matches), matches
    given = dataset.truth(), results, dataset.categories
    if spec.dataset == "voc":
        return voc_scores(*given), voc_matches(*given)
    return visdrone_scores(*given), visdrone_matches(*given)


def trained_model(spec: RunSpec, run: Path, fabric: Fabric) -> nn.Module:
    """The model that a run's folder holds, on the device. InputError where it is missing, another's, not
    finite or not what training made."""
    check(f"train/{spec.id}", run / "model.pt", run.parent.parent)
    state = checkpoint.load(run / "model.pt", spec.id)
    model = build_detector(spec)
    checkpoint.load_weights(model, state.get("model"), run / "model.pt")
    return fabric.setup(model.to(memory_format=torch.channels_last).eval())


def predict(
    model: nn.Module, dataset: DetectionDataset, spec: RunSpec, fabric: Fabric, num_workers: int = 0
) -> list[dict]:
    """COCO's results, image by image in the data set's order.

    Only images of one size share a batch: padding would show in what the others' borders see and in GroupNorm's
    means, and scores would depend on the batch size.
    """
    results: list[dict] = []
    loader = eval_loader(dataset, EvalTransform(spec.input), spec.evaluation.batch_size, num_workers=num_workers)
    with torch.inference_mode():
        for images, targets in loader:
            images = [fabric.to_device(image) for image in images]
            found: list[dict] = [{}] * len(images)
            for shape in dict.fromkeys(image.shape for image in images):
                same = [index for index, image in enumerate(images) if image.shape == shape]
                detections = _detect(model, [images[index] for index in same], fabric.device)
                for index, each in zip(same, detections, strict=True):
                    found[index] = each
            for each, target, image in zip(found, targets, images, strict=True):
                results += coco_results(each, target, size_of(image), dataset.label_to_category)
    return results


def _detect(model: nn.Module, images: list[Tensor], device: torch.device) -> list[dict[str, Tensor]]:
    """Detections in images of one size, fewer at a time where memory is too small for all. OutOfMemory: for one."""
    try:
        with runtime.enough_memory(device, "evaluation", len(images)):
            return model(images)
    except runtime.OutOfMemory as error:
        if error.smaller is None:
            raise
        size = error.smaller
        said = f"{len(images)} images at once do not fit into the memory of {device}"
        print(f"warning: evaluation: {said}; takes them {size} at a time", file=sys.stderr, flush=True)
    parts = [images[first : first + size] for first in range(0, len(images), size)]
    return [found for part in parts for found in _detect(model, part, device)]


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
