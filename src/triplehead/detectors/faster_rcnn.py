"""torchvision's Faster R-CNN on our backbones and contract."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign


class _Named(nn.Module):
    """Levels by name, as torchvision wants them."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone, self.out_channels = backbone, backbone.channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict((str(level), feature) for level, feature in enumerate(self.backbone(images)))


class FasterRCNNDetector(nn.Module):
    """Labels count from 0 outside and from 1 inside, where 0 is background; images come resized."""

    def __init__(self, backbone: nn.Module, num_classes: int, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        strides = backbone.strides
        pooled = [str(level) for level, stride in enumerate(strides) if stride <= 32]
        self.model = FasterRCNN(
            _Named(backbone),
            num_classes=num_classes + 1,
            rpn_anchor_generator=AnchorGenerator(
                sizes=tuple((8 * stride,) for stride in strides), aspect_ratios=((0.5, 1.0, 2.0),) * len(strides)
            ),
            box_roi_pool=MultiScaleRoIAlign(featmap_names=pooled, output_size=7, sampling_ratio=2),
            image_mean=list(mean),
            image_std=list(std),
            _skip_resize=True,
        )

    @property
    def backbone(self) -> nn.Module:
        return self.model.backbone.backbone

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        if self.training:
            shifted = [{"boxes": t["boxes"], "labels": t["labels"] + 1} for t in targets]
            losses = self.model(images, shifted)
            return {name.removeprefix("loss_"): value for name, value in losses.items()}
        with torch.no_grad():
            return [found | {"labels": found["labels"] - 1} for found in self.model(images)]
