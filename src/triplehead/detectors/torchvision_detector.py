"""A detector of torchvision's behind our contract."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from triplehead.detectors.backbone import Pyramid


class NamedLevels(nn.Module):
    """Our feature pyramid as torchvision's detectors want it: levels by name, `out_channels`."""

    def __init__(self, backbone: Pyramid):
        super().__init__()
        self.backbone, self.out_channels = backbone, backbone.channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict((str(level), feature) for level, feature in enumerate(self.backbone(images)))


class NoResize(GeneralizedRCNNTransform):
    """torchvision's normalisation and batching of images that have their size (`_skip_resize` is for training only)."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict | None]:
        return image, target


class TorchvisionDetector(nn.Module):
    """Losses in training, detections in evaluation; images come resized, labels count from 0 outside.

    first_label: what the wrapped model calls our class 0; 1 where it has a background class. Nothing here depends on
    `progress`, which the trainer sets.
    """

    progress: float = 0.0
    model: Any  # whose parts have no more of a type at torchvision than nn.Module

    def __init__(self, model: nn.Module, first_label: int):
        super().__init__()
        self.model, self.first_label = model, first_label
        given = self.model.transform
        self.model.transform = NoResize(given.min_size, given.max_size, given.image_mean, given.image_std)

    @property
    def backbone(self) -> Pyramid:
        """Our feature pyramid inside."""
        return self.model.backbone.backbone

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Losses by name, scalars, in training; else {boxes [D, 4], scores [D], labels [D]} of each image."""
        first = self.first_label
        if self.training:
            assert targets is not None
            shifted = [{"boxes": t["boxes"], "labels": t["labels"] + first} for t in targets]
            losses = self.model(images, shifted)
            return {name.removeprefix("loss_"): value for name, value in losses.items()}
        with torch.no_grad():
            return [found | {"labels": found["labels"] - first} for found in self.model(images)]
