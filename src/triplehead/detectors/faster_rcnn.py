"""torchvision's Faster R-CNN on our backbones and contract."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from triplehead.plan.options import SecondStage

POOLED = 7  # side of a pooled region


class _Named(nn.Module):
    """Levels by name, as torchvision wants them."""

    def __init__(self, backbone: nn.Module):
        super().__init__()
        self.backbone, self.out_channels = backbone, backbone.channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict((str(level), feature) for level, feature in enumerate(self.backbone(images)))


class _Unresized(GeneralizedRCNNTransform):
    """Normalises and pads. torchvision's own switch, `_skip_resize`, holds in training only."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target


class FasterRCNNDetector(nn.Module):
    """Labels count from 0 outside and from 1 inside, where 0 is background; images come resized."""

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        second_stage: SecondStage,
    ):
        super().__init__()
        strides = backbone.strides
        pooled = [str(level) for level, stride in enumerate(strides) if stride <= 32]
        self.model = FasterRCNN(
            _Named(backbone),
            rpn_pre_nms_top_n_train=2 * second_stage.proposals,
            rpn_pre_nms_top_n_test=second_stage.proposals,
            rpn_post_nms_top_n_train=2 * second_stage.proposals,
            rpn_post_nms_top_n_test=second_stage.proposals,
            box_batch_size_per_image=second_stage.rois,
            box_head=TwoMLPHead(backbone.channels * POOLED**2, second_stage.hidden),
            box_predictor=FastRCNNPredictor(second_stage.hidden, num_classes + 1),
            rpn_anchor_generator=AnchorGenerator(
                sizes=tuple((8 * stride,) for stride in strides), aspect_ratios=((0.5, 1.0, 2.0),) * len(strides)
            ),
            box_roi_pool=MultiScaleRoIAlign(featmap_names=pooled, output_size=POOLED, sampling_ratio=2),
        )
        self.model.transform = _Unresized(min_size=1, max_size=1, image_mean=list(mean), image_std=list(std))

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

    def predict(self, images: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Raw class logits [P, classes + 1] and box regressions [P, 4 (classes + 1)] of all images' P proposals."""
        batch, _ = self.model.transform(images)
        features = self.model.backbone(batch.tensors)
        proposals, _ = self.model.rpn(batch, features)
        second = self.model.roi_heads
        return second.box_predictor(second.box_head(second.box_roi_pool(features, proposals, batch.image_sizes)))
