"""The head of FCOS (Tian et al. 2019): classification and regression towers."""

import torch
from torch import Tensor, nn

from triplehead.detectors.anchors import deltas_to_boxes, square_anchors
from triplehead.detectors.boxes import Points, Predictions, ltrb_to_boxes
from triplehead.detectors.heads.layers import Scale, Tower, exp, flatten, init_head, init_hidden
from triplehead.plan.options import FCOSTowers as Options


class FCOSHead(nn.Module):
    """Features of all levels -> `Predictions`.

    Box coder "distance": distances to the sides are exp(scale * x), in pixels as in the original or in strides, or
    relu(scale * x).
    "delta": scale * x are offsets from a square anchor, as in ATSS. Centerness hangs on the classification tower
    (original FCOS) or on the regression tower (ATSS), IoU on the regression tower (LLA, PAA).
    """

    refined = False

    def __init__(self, options: Options, channels: int, num_classes: int, strides: list[int]):
        super().__init__()
        num_levels = len(strides)
        self.options = options
        self.cls_tower = Tower(options.num_convs, channels, options.norm, num_levels)
        self.reg_tower = Tower(options.num_convs, channels, options.norm, num_levels)
        self.classifier = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.regressor = nn.Conv2d(channels, 4, 3, padding=1)
        self.scale = Scale(num_levels)
        self.quality = nn.Conv2d(channels, 1, 3, padding=1) if options.quality != "none" else None
        init_head(self, self.classifier, options.prior)
        init_hidden(self, options.init, self.classifier, self.regressor, self.quality)

    def forward(self, features: list[Tensor], points: Points) -> Predictions:
        return self.outputs(self.towers(features), points)

    def towers(self, features: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """What classification and regression read at each level; each [B, C, H, W]."""
        return [(self.cls_tower(x, level), self.reg_tower(x, level)) for level, x in enumerate(features)]

    def outputs(self, towers: list[tuple[Tensor, Tensor]], points: Points) -> Predictions:
        """The towers' [B, C, H, W] of each level -> `Predictions`."""
        logits, regressed, quality = [], [], []
        for level, (cls, reg) in enumerate(towers):
            logits.append(flatten(self.classifier(cls)))  # [B, HW, C]
            regressed.append(flatten(self.scale(self.regressor(reg), level)))  # [B, HW, 4]
            if self.quality is not None:
                judged = cls if self._quality_on_classification() else reg
                quality.append(flatten(self.quality(judged)).squeeze(2))  # [B, HW]
        return Predictions(
            logits=torch.cat(logits, dim=1),
            boxes=self._boxes(torch.cat(regressed, dim=1), points),
            quality=torch.cat(quality, dim=1) if quality else None,
        )

    def _boxes(self, regressed: Tensor, points: Points) -> Tensor:
        """Outputs of the regression branch [B, N, 4] -> boxes [B, N, 4]."""
        if self.options.box_coder == "delta":
            return deltas_to_boxes(square_anchors(points, self.options.anchor_scale), regressed)
        distances = regressed.relu() if self.options.box_activation == "relu" else exp(regressed)
        if self.options.box_unit == "stride":
            distances = distances * points.stride[:, None]
        return ltrb_to_boxes(points.xy, distances)

    def _quality_on_classification(self) -> bool:
        return self.options.quality == "centerness" and self.options.centerness_on == "classification"
