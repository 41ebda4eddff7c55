"""The triple head (paper, section 3.3): pre-regression, classification and regression branches."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from triplehead.detectors.boxes import FinalBoxes, Points, Predictions, ltrb_to_boxes
from triplehead.detectors.heads.box_taps import BoxTaps, by_cell
from triplehead.detectors.heads.chosen import Chosen
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
        branches = self._branches(features)
        coarse_boxes = ltrb_to_boxes(points.xy, _joined(branches.coarse) * points.stride[:, None])
        logits = _joined(branches.logits)
        quality = None if self.quality is None else _joined(branches.quality).squeeze(2)
        if not self.refined:
            return Predictions(logits, coarse_boxes, coarse_boxes, quality)
        boxes = FinalBoxes(
            all_boxes=lambda: self._all_boxes(branches, points),
            chosen_boxes=lambda image, sample: self._chosen_boxes(branches, points, image, sample),
            like=logits,
        )
        return Predictions(logits, boxes if self.reg_star.cell_by_cell else boxes.all, coarse_boxes, quality)

    def _branches(self, features: list[Tensor]) -> "_Branches":
        raw, quality = self._pre_regression(features)
        coarse = [exp(self.pre_scale(x, level)) * self.cells[level] for level, x in enumerate(raw)]
        share = self.options.offset_gradient
        boxes = [x.detach() if share == 0 else share * x + (1 - share) * x.detach() for x in coarse]
        taps = star_taps(boxes)
        stars = self.cls_star([self.cls_tower(x, level) for level, x in enumerate(features)], taps)
        regression = [self.reg_tower(x, level) for level, x in enumerate(features)] if self.refined else []
        return _Branches([self.classifier(x) for x in stars], coarse, quality, boxes, taps, regression)

    def _pre_regression(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The branch's four outputs and its confidence, if any, of each level: together as fast as one of them."""
        towers = [self.pre_tower(x, level) for level, x in enumerate(features)]
        if self.quality is None:
            return [self.pre_regressor(x) for x in towers], []
        assert self.pre_regressor.bias is not None and self.quality.bias is not None
        weight = torch.cat([self.pre_regressor.weight, self.quality.weight])
        bias = torch.cat([self.pre_regressor.bias, self.quality.bias])
        both = [conv2d(x, weight, bias, padding=1) for x in towers]
        return [x[:, :4] for x in both], [x[:, 4:] for x in both]

    def _all_boxes(self, branches: "_Branches", points: Points) -> Tensor:
        """Final boxes [B, N, 4]."""
        stars = self.reg_star(branches.regression, branches.taps)
        raw = [self.regressor(x) for x in stars]
        ltrb = [self._distances(x, branches.coarse[level], level) for level, x in enumerate(raw)]
        return ltrb_to_boxes(points.xy, _joined(ltrb) * points.stride[:, None])

    def _chosen_boxes(self, branches: "_Branches", points: Points, image: Tensor, sample: Tensor) -> Tensor:
        """Final boxes of samples [P] of images [P], [P, 4]: the last two layers work on what these need alone."""
        chosen = Chosen(points, len(branches.logits[0]), image, sample)
        boxes = by_cell(branches.boxes)
        star = self.reg_star.chosen(by_cell(branches.regression), chosen.readings(boxes), chosen.counts)
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
    """What the branches make of each level: class logits, coarse ltrb in cells and confidence; the coarse ltrb whose
    taps are read, and the regression tower's output, two layers before the branch's; each [B, *, H, W]."""

    logits: list[Tensor]
    coarse: list[Tensor]
    quality: list[Tensor]
    boxes: list[Tensor]
    taps: list[Tensor] | BoxTaps
    regression: list[Tensor]


def _joined(outputs: list[Tensor]) -> Tensor:
    """A branch's outputs [B, *, H, W] of each level -> [B, N, *]."""
    return torch.cat([flatten(out) for out in outputs], dim=1)
