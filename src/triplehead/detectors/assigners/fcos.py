"""FCOS's assignment by place and size (Tian et al. 2019, section 3.2)."""

import math

import torch
from torch import Tensor

from triplehead.detectors.assigners.ambiguous import BACKGROUND
from triplehead.detectors.assigners.fixed import FixedAssigner
from triplehead.detectors.boxes import Points, boxes_to_ltrb
from triplehead.plan import options as plan


class FCOSAssigner(FixedAssigner[plan.FCOSAssigner]):
    """A point learns the smallest box around it whose size fits the point's level."""

    def prepare(self, points: Points) -> Tensor:
        """Smallest and largest max(l, t, r, b), in pixels, that each point may learn -> [N, 2]."""
        boundaries = self.options.boundaries
        if len(points.sizes) != len(boundaries) + 1:
            raise ValueError(
                f"{len(boundaries)} boundaries {list(boundaries)} make {len(boundaries) + 1} levels, "
                f"but the feature pyramid has {len(points.sizes)}"
            )
        edges = points.xy.new_tensor([-1.0, *boundaries, math.inf])
        return torch.stack([edges[points.level], edges[points.level + 1]], dim=1)

    def match(self, boxes: Tensor, points: Points, limits: Tensor) -> Tensor:
        boxes = boxes.to(points.xy.device)
        if not len(boxes):
            return torch.full_like(points.level, BACKGROUND)
        ltrb = boxes_to_ltrb(points.xy, boxes[:, None, :])  # [M, N, 4]
        inside = ltrb.amin(dim=2) > 0  # [M, N]
        if self.options.center_radius is not None:
            inside &= _near_center(boxes, points, self.options.center_radius)
        size = ltrb.amax(dim=2)
        fits = inside & (size >= limits[:, 0]) & (size <= limits[:, 1])

        area = (boxes[:, 2:] - boxes[:, :2]).double().prod(dim=1)
        area = area[:, None].masked_fill(~fits, math.inf)  # [M, N]
        return torch.where(fits.any(dim=0), area.argmin(dim=0), BACKGROUND)  # argmin: the first of equals


def _near_center(boxes: Tensor, points: Points, radius: float) -> Tensor:
    """Points less than `radius` strides from a box's centre, along both axes -> bool [M, N]."""
    center = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2  # [M, 1, 2]
    distance = (points.xy - center).abs().amax(dim=2)  # [M, N]
    return distance < radius * points.stride
