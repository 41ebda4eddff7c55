"""The triple head (paper, section 3.3): pre-regression, classification and regression branches."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from triplehead.detectors.boxes import FinalBoxes, Points, Predictions, ltrb_to_boxes
from triplehead.detectors.heads.chosen import Chosen, by_cell
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
        branches = [self._branches(x, level) for level, x in enumerate(features)]
        coarse_boxes = ltrb_to_boxes(points.xy, _joined(each.coarse for each in branches) * points.stride[:, None])
        logits = _joined(each.logits for each in branches)
        quality = None if self.quality is None else _joined(each.quality for each in branches).squeeze(2)
        if not self.refined:
            return Predictions(logits, coarse_boxes, coarse_boxes, quality)
        boxes = FinalBoxes(
            all_boxes=lambda: self._all_boxes(branches, points),
            chosen_boxes=lambda image, sample: self._chosen_boxes(branches, points, image, sample),
            like=logits,
        )
        return Predictions(logits, boxes if self.reg_star.cell_by_cell else boxes.all, coarse_boxes, quality)

    def _branches(self, x: Tensor, level: int) -> "_Branches":
        options = self.options
        pre = self.pre_tower(x, level)
        coarse = exp(self.pre_scale(self.pre_regressor(pre), level)) * self.cells[level]
        quality = None if self.quality is None else self.quality(pre)
        share = options.offset_gradient
        box = coarse.detach() if share == 0 else share * coarse + (1 - share) * coarse.detach()
        taps = star_taps(box)
        logits = self.classifier(self.cls_star(self.cls_tower(x, level), taps, level))
        return _Branches(logits, coarse, quality, box, taps, self.reg_tower(x, level) if self.refined else None)

    def _all_boxes(self, branches: list["_Branches"], points: Points) -> Tensor:
        """Final boxes [B, N, 4]."""
        ltrb = []
        for level, each in enumerate(branches):
            raw = self.regressor(self.reg_star(each.regression, each.taps, level))
            ltrb.append(self._distances(raw, each.coarse, level))
        return ltrb_to_boxes(points.xy, _joined(ltrb) * points.stride[:, None])

    def _chosen_boxes(self, branches: list["_Branches"], points: Points, image: Tensor, sample: Tensor) -> Tensor:
        """Final boxes of samples [P] of images [P], [P, 4]: the last two layers work on what these need alone."""
        chosen = Chosen(points, len(branches[0].logits), image, sample)
        boxes = by_cell([each.box for each in branches])
        star = self.reg_star.chosen(
            by_cell([each.regression for each in branches]), chosen.readings(boxes), chosen.counts
        )
        raw = chosen.convolve(star, self.regressor)
        ltrb = self._distances(raw, boxes[chosen.own], points.level[sample])
        return ltrb_to_boxes(points.xy[sample], ltrb * points.stride[sample, None])

    def _distances(self, raw: Tensor, coarse: Tensor, level: int | Tensor) -> Tensor:
        """The regression branch's output -> final ltrb in cells: eq. (8), or the distances themselves."""
        factor = exp(self.scale(raw, level))
        if self.options.refinement:
            return factor * coarse.detach()
        return factor * (self.cells[level] if isinstance(level, int) else raw.new_tensor(self.cells)[level, None])


class _Branches(NamedTuple):
    """What the branches make of one level: class logits, coarse ltrb in cells and confidence; the coarse ltrb whose
    taps are read, and the regression tower's output, two layers before the branch's; each [B, *, H, W]."""

    logits: Tensor
    coarse: Tensor
    quality: Any
    box: Tensor
    taps: Any
    regression: Any


def _joined(outputs: Iterable[Any]) -> Tensor:
    """A branch's outputs [B, *, H, W] of each level -> [B, N, *]."""
    return torch.cat([flatten(out) for out in outputs], dim=1)
