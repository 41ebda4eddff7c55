"""The head of FCOS (Tian et al. 2019): classification and regression towers."""

import torch
from torch import Tensor, nn

from triplehead.detectors.boxes import Points, Predictions, ltrb_to_boxes
from triplehead.detectors.heads.layers import Scale, Tower, exp, flatten, init_head
from triplehead.plan.options import FCOSHead as Options


class FCOSHead(nn.Module):
    """Features of all levels -> `Predictions`.

    Distances to the sides are exp(scale * x), in pixels as in the original or in strides. Centerness hangs on
    the classification tower (original FCOS), IoU on the regression tower (LLA, PAA).
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

    def forward(self, features: list[Tensor], points: Points) -> Predictions:
        return self.outputs(self.towers(features), points)

    def towers(self, features: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """What classification and regression read at each level; each [B, C, H, W]."""
        return [(self.cls_tower(x, level), self.reg_tower(x, level)) for level, x in enumerate(features)]

    def outputs(self, towers: list[tuple[Tensor, Tensor]], points: Points) -> Predictions:
        logits, ltrb, quality = [], [], []
        for level, (cls, reg) in enumerate(towers):
            logits.append(flatten(self.classifier(cls)))  # [B, HW, C]
            ltrb.append(flatten(exp(self.scale(self.regressor(reg), level))))  # [B, HW, 4]
            if self.quality is not None:
                judged = cls if self.options.quality == "centerness" else reg
                quality.append(flatten(self.quality(judged)).squeeze(2))  # [B, HW]
        distances = torch.cat(ltrb, dim=1)
        if self.options.box_unit == "stride":
            distances = distances * points.stride[:, None]
        return Predictions(
            logits=torch.cat(logits, dim=1),
            boxes=ltrb_to_boxes(points.xy, distances),
            quality=torch.cat(quality, dim=1) if quality else None,
        )
