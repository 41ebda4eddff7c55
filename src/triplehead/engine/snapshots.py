"""Which points a dense detector learns from, on a few fixed images, at fixed shares of its training (Figure 4)."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from triplehead.data.dataset import DetectionDataset
from triplehead.data.examples import example_images
from triplehead.data.transforms import EvalTransform
from triplehead.detectors.boxes import Points, Predictions, size_of
from triplehead.detectors.dense import DenseDetector
from triplehead.paths import atomic
from triplehead.plan.runs import RunSpec

SHARES = (1 / 60, 1 / 6, 1 / 2, 1)  # of the iterations; at the published schedule after 1.5k, 15k, 45k and 90k
NEGATIVES = 10  # that are kept of each image
FAR = 1e6  # pixels: a predicted side that overflowed


def moments(iterations: int) -> list[int]:
    """The numbers of finished iterations after which a snapshot is taken, in order."""
    return sorted({max(1, round(share * iterations)) for share in SHARES})


class Snapshots:
    """Collects snapshots; `taken` goes into checkpoints, so that a resumed run writes the same file.

    A snapshot is what the assigner would decide if the example images were the next training batch: predicted
    in training mode, by the weights after so many iterations. Nothing of it stays behind in the detector: no
    gradients, and BatchNorm's running statistics are put back. Detectors that are not dense have none.
    """

    def __init__(self, spec: RunSpec, dataset: DetectionDataset):
        self.iterations, self.moments = spec.schedule.iterations, moments(spec.schedule.iterations)
        self.dataset, self.transform = dataset, EvalTransform(spec.input)
        self.indices = example_images(dataset)
        self.taken: list[dict[str, Any]] = []

    def take(self, done: int, detector: nn.Module, fabric: Fabric) -> None:
        """Add the snapshot after `done` iterations, if one is due."""
        if done not in self.moments or not isinstance(detector, DenseDetector):
            return
        samples = [self.transform(*self.dataset[index]) for index in self.indices]
        images = [fabric.to_device(image) for image, _ in samples]
        targets: list[dict[str, Any]] = [
            {key: fabric.to_device(target[key]) for key in ("boxes", "labels")} for _, target in samples
        ]
        detector.progress = done / self.iterations
        with torch.no_grad(), _buffers_restored(detector), fabric.autocast():
            predictions, points = detector.predict(images)
            matched_gt = detector.assign(predictions, points, targets)
        self.taken.append(
            {
                "iteration": done,
                "images": [
                    _image(predictions, points, matched_gt, i, size_of(image), target)
                    for i, (image, target) in enumerate(samples)
                ],
            }
        )

    def write(self, path: Path) -> None:
        """The list of snapshots as gzipped JSON, the same bytes for the same state; empty if there are none.

        Each: iteration, images; each image: image_id, size (height, width), boxes [M, 4], positives (x, y,
        index of the box, predicted box), ignored (x, y), negatives (x, y, predicted box): the ten with the highest
        class probability. Pixels of the original image, predicted boxes cut at its border.
        """
        text = json.dumps(self.taken, separators=(",", ":"), allow_nan=False)
        with atomic(path) as file:
            file.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))


@contextmanager
def _buffers_restored(model: nn.Module) -> Iterator[None]:
    kept = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(model.buffers(), kept, strict=True):
            buffer.copy_(value)


def _image(
    predictions: Predictions, points: Points, matched_gt: Tensor, i: int, size: tuple[int, int], target: dict
) -> dict[str, Any]:
    """Image i of a batch, scaled from `size` (height, width) back to the original."""
    height, width = target["size"]
    scale = torch.tensor([width / size[1], height / size[0]])
    limit = torch.tensor([width, height] * 2)
    matched_gt, xy = matched_gt[i].cpu(), points.xy.float().cpu() * scale
    boxes = predictions.boxes[i].float().cpu().nan_to_num(0, FAR, -FAR) * scale.repeat(2)
    boxes = torch.minimum(boxes.clamp(min=0), limit)

    positive, ignored = (matched_gt >= 0).nonzero().flatten(), (matched_gt == -2).nonzero().flatten()
    probability = predictions.logits[i].float().cpu().amax(dim=1)
    probability[matched_gt != -1] = -torch.inf
    negative = probability.argsort(descending=True, stable=True)[:NEGATIVES]
    negative = negative[matched_gt[negative] == -1]
    return {
        "image_id": target["image_id"],
        "size": [height, width],
        "boxes": _rounded(target["boxes"] * scale.repeat(2)),
        "positives": _rounded(torch.cat([xy[positive], matched_gt[positive, None], boxes[positive]], dim=1)),
        "ignored": _rounded(xy[ignored]),
        "negatives": _rounded(torch.cat([xy[negative], boxes[negative]], dim=1)),
    }


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(value, 2) for value in row] for row in values.tolist()]
