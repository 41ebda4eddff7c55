"""The one-stage detector: backbone -> head -> (assigner -> losses | post-processing)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from triplehead.detectors.backbone import Pyramid
from triplehead.detectors.border_losses import border_losses
from triplehead.detectors.boxes import Points, Predictions, make_points, size_of
from triplehead.detectors.losses import Share, alone, build_box_loss, dense_losses
from triplehead.detectors.postprocess import detect
from triplehead.plan.options import Loss, Postprocess

Target = dict[str, Tensor]


class Normalize(nn.Module):
    """Images of any sizes [3, H, W] in 0..1 -> one batch [B, 3, H', W'], zero-padded to a multiple of `divisor`.

    `at_least`: height and width that the batch has whatever these images need, for images that are part of a
    larger batch: what GroupNorm makes of an image depends on its padding.
    """

    at_least: tuple[int, int] = (0, 0)
    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], divisor: int = 32):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.divisor = divisor

    def forward(self, images: list[Tensor]) -> Tensor:
        height, width = (max(self.at_least[axis], *(image.shape[1 + axis] for image in images)) for axis in (0, 1))
        height, width = (-(-side // self.divisor) * self.divisor for side in (height, width))
        batch = images[0].new_zeros(len(images), 3, height, width)
        for slot, image in zip(batch, images, strict=True):
            slot[:, : image.shape[1], : image.shape[2]] = (image - self.mean) / self.std
        return batch


class DenseDetector(nn.Module):
    """torchvision's detection contract: losses in training, detections in evaluation.

    images: list of [3, H, W] in 0..1. targets: list of {boxes [M, 4] xyxy pixels, labels [M] from 0}.
    The trainer sets `progress`, the share of training done, on which assigners may depend, and `share` where the
    images are part of a larger batch; it reads `positives` and `boxes`, of the last call in training.
    """

    progress: float = 0.0
    share: Share = staticmethod(alone)
    positives: Tensor
    boxes: int

    def __init__(
        self,
        backbone: Pyramid,
        head: nn.Module,
        assigner: Callable,
        loss: Loss,
        postprocess: Postprocess,
        normalize: Normalize,
    ):
        super().__init__()
        self.normalize, self.backbone, self.head = normalize, backbone, head
        self.assigner, self.loss, self.postprocess = assigner, loss, postprocess
        self.box_loss = build_box_loss(loss)

    def forward(
        self, images: list[Tensor], targets: list[Target] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Losses by name, scalars, in training; else {boxes [D, 4], scores [D], labels [D]} of each image."""
        predictions, points = self.predict(images)
        if not self.training:
            sizes = [size_of(image) for image in images]
            return detect(predictions, points, sizes, self.postprocess)
        assert targets is not None
        matched_gt = self.assign(predictions, points, targets)
        self.positives = (matched_gt >= 0).sum()
        self.boxes = sum(len(target["boxes"]) for target in targets)
        options: Any = self.head.options
        first = predictions.first_stage
        # The user's own head need not say that it has no quality branch, nor that it refines no box.
        quality, refined = getattr(options, "quality", "none"), getattr(self.head, "refined", False)
        losses = dense_losses(
            first, points, targets, matched_gt, self.loss, quality, refined, self.share, self.box_loss
        )
        if predictions.border_logits is not None:
            losses |= border_losses(predictions, targets, self.loss, options.positive_iou, self.share)
        return losses

    def assign(self, predictions: Predictions, points: Points, targets: list[Target]) -> Tensor:
        """What the points have to learn at this `progress` -> [B, N]: a box of the image, -1 background, -2 ignore."""
        return self.assigner(predictions.first_stage, points, targets, self.progress)

    def predict(self, images: list[Tensor]) -> tuple[Predictions, Points]:
        """Raw predictions for the images as one padded batch, and the points that they are made at."""
        batch = self.normalize(images)
        features = self.backbone(batch)
        sizes = [size_of(feature) for feature in features]
        points = make_points(sizes, self.backbone.strides, batch.device)
        return self.head(features, points), points
