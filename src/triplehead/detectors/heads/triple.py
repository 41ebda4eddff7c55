"""The triple head (paper, section 3.3): pre-regression, classification and regression branches."""

from typing import Any

import torch
from torch import Tensor, nn

from triplehead.detectors.boxes import Points, Predictions, ltrb_to_boxes
from triplehead.detectors.heads.layers import Scale, Tower, exp, flatten, init_head, init_hidden
from triplehead.detectors.heads.star import StarConv, star_taps
from triplehead.plan.options import TripleHead as Options


class TripleHead(nn.Module):
    """Features of all levels -> `Predictions` with the coarse boxes of the pre-regression branch.

    The pre-regression branch is FCOS's regression branch plus a confidence output. The last block of the other
    two towers is a deformable convolution on the coarse box (eq. 7). With refinement the final distances are the
    coarse ones times exp(regression) (eq. 8), in training and inference alike; without it the final box is the
    coarse one, and there is no regression branch to train, or the box that the regression branch finds anew.
    """

    def __init__(self, options: Options, channels: int, num_classes: int, strides: list[int]):
        super().__init__()
        self.options = options
        # exp(...) is a distance in pixels or strides; the star convolution wants cells.
        self.cells = [1 / stride if options.box_unit == "pixel" else 1.0 for stride in strides]
        num_levels = len(strides)
        self.refined = options.refinement or options.unrefined_box == "regressed"
        self.pre_tower = Tower(options.num_convs, channels, options.norm, num_levels)
        self.pre_regressor = nn.Conv2d(channels, 4, 3, padding=1)
        self.pre_scale = Scale(num_levels)
        self.quality = nn.Conv2d(channels, 1, 3, padding=1) if options.quality == "iou" else None
        self.cls_tower = Tower(options.num_convs - 1, channels, options.norm, num_levels)
        self.cls_star = StarConv(channels, options.star_norm, num_levels)
        self.classifier = nn.Conv2d(channels, num_classes, 3, padding=1)
        if self.refined:
            self.reg_tower = Tower(options.num_convs - 1, channels, options.norm, num_levels)
            self.reg_star = StarConv(channels, options.star_norm, num_levels)
            self.regressor = nn.Conv2d(channels, 4, 3, padding=1)
            self.scale = Scale(num_levels)
        init_head(self, self.classifier, options.prior)
        outputs = [self.classifier, self.pre_regressor, self.quality]
        init_hidden(self, options.init, *outputs, self.regressor if self.refined else None)

    def forward(self, features: list[Tensor], points: Points) -> Predictions:
        levels = [self._level(x, level) for level, x in enumerate(features)]
        logits, coarse, final, quality = (_joined(outputs) for outputs in zip(*levels, strict=True))
        unit = points.stride[:, None]  # distances come in cells
        coarse_boxes = ltrb_to_boxes(points.xy, coarse * unit)
        return Predictions(
            logits=logits,
            boxes=coarse_boxes if final is None else ltrb_to_boxes(points.xy, final * unit),
            coarse_boxes=coarse_boxes,
            quality=None if quality is None else quality.squeeze(2),
        )

    def _level(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Class logits, coarse and final ltrb in cells, confidence; each [B, *, H, W]."""
        options = self.options
        pre = self.pre_tower(x, level)
        coarse = exp(self.pre_scale(self.pre_regressor(pre), level)) * self.cells[level]
        quality = None if self.quality is None else self.quality(pre)
        share = options.offset_gradient
        box = coarse.detach() if share == 0 else share * coarse + (1 - share) * coarse.detach()
        taps = star_taps(box)
        logits = self.classifier(self.cls_star(self.cls_tower(x, level), taps, level))
        if not self.refined:
            return logits, coarse, None, quality
        star = self.reg_star(self.reg_tower(x, level), taps, level)
        final = exp(self.scale(self.regressor(star), level))
        # eq. (8), or the distances themselves
        final = final * (coarse.detach() if options.refinement else self.cells[level])
        return logits, coarse, final, quality


def _joined(outputs: tuple[Any, ...]) -> Any:
    """A branch's outputs [B, *, H, W] of each level -> [B, N, *]; None if there is no such branch."""
    return torch.cat([flatten(out) for out in outputs], dim=1) if outputs[0] is not None else None
