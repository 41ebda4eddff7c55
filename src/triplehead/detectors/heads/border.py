"""FCOS with a border branch: BorderDet (Qiu et al. 2020)."""

import dataclasses

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from triplehead.detectors.boxes import Points, Predictions, deltas_to_boxes
from triplehead.detectors.heads.border_align import SIDES, border_align
from triplehead.detectors.heads.fcos import FCOSHead
from triplehead.detectors.heads.layers import at_level, build_norm, flatten, init_head, init_hidden
from triplehead.plan.options import BorderHead as Options


class InstanceNorm(nn.Module):
    """Zero mean and unit variance over each map, [B, C, H, W]; unlike torch's, also of a map of one cell."""

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[2:])


class BorderBranch(nn.Module):
    """A tower's output [B, C, H, W], enhanced by what lies on the borders of the coarse boxes; the same shape."""

    def __init__(self, channels: int, width: int, pool_size: int, norm: str, num_levels: int):
        super().__init__()
        self.pool_size = pool_size
        self.point = nn.Conv2d(channels, width, 1)
        self.border = nn.Conv2d(channels, SIDES * width, 1)
        self.fuse = nn.Conv2d((SIDES + 1) * width, channels, 1)
        self.point_norm, self.border_norm = (
            InstanceNorm() if norm == "instance" else build_norm(norm, size, num_levels)
            for size in (width, SIDES * width)
        )

    def forward(self, x: Tensor, boxes: Tensor, level: int) -> Tensor:
        """boxes: [B, HW, 4] xyxy in cells."""
        border = at_level(self.border_norm, level)(self.border(x)).relu_()
        border = border_align(border, boxes, self.pool_size)
        point = at_level(self.point_norm, level)(self.point(x)).relu_()
        return self.fuse(torch.cat([border, point], dim=1)).relu_()


class BorderHead(FCOSHead):
    """Features of all levels -> `Predictions` whose coarse boxes, logits and quality are FCOS's.

    The border branch classifies the coarse boxes again (`border_logits`) and refines them (`border_deltas`,
    `boxes`). FCOS's part is assigned and learns as ever; the border branch has targets of its own.
    """

    def __init__(self, options: Options, channels: int, num_classes: int, strides: list[int]):
        super().__init__(options, channels, num_classes, strides)
        self.cls_border, self.reg_border = (
            BorderBranch(
                channels, max(1, round(channels * width)), options.pool_size, options.border_norm, len(strides)
            )
            for width in (options.cls_width, options.reg_width)
        )
        self.border_classifier = nn.Conv2d(channels, num_classes, 1)
        self.border_regressor = nn.Conv2d(channels, 4, 1)
        for part in (self.cls_border, self.reg_border, self.border_regressor):
            init_head(part)
        init_head(self.border_classifier, self.border_classifier, options.prior)
        init_hidden(nn.ModuleList([self.cls_border, self.reg_border]), options.init)

    def forward(self, features: list[Tensor], points: Points) -> Predictions:
        towers = self.towers(features)
        coarse = self.outputs(towers, points)
        coarse_boxes = coarse.boxes.detach()
        # From pixels to cells: cell (i, j) lies at half a stride more than (j, i) strides.
        in_cells = points.split(coarse_boxes / points.stride[:, None] - 0.5)
        logits, deltas = [], []
        for level, ((cls, reg), boxes) in enumerate(zip(towers, in_cells, strict=True)):
            logits.append(flatten(self.border_classifier(self.cls_border(cls, boxes, level))))
            deltas.append(flatten(self.border_regressor(self.reg_border(reg, boxes, level))))
        border_deltas = torch.cat(deltas, dim=1)
        return dataclasses.replace(
            coarse,
            boxes=deltas_to_boxes(coarse_boxes, border_deltas),
            coarse_boxes=coarse.boxes,
            border_logits=torch.cat(logits, dim=1),
            border_deltas=border_deltas,
        )
