"""One square anchor per point, and boxes as offsets from it."""

import math

import torch
from torch import Tensor

from triplehead.detectors.boxes import Points

DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of x, y, width, height, as in Faster R-CNN and ATSS
LARGEST_LOG_SIZE = math.log(1000 / 16)  # torchvision's and Detectron's bound of log(size / anchor)


def square_anchors(points: Points, scale: float) -> Tensor:
    """Squares of side scale * stride, centred on the points -> [N, 4] xyxy, pixels."""
    half = points.stride[:, None] * (scale / 2)
    return torch.cat([points.xy - half, points.xy + half], dim=1)


def deltas_to_boxes(anchors: Tensor, deltas: Tensor) -> Tensor:
    """R-CNN's offsets [..., N, 4] from anchors [N, 4] -> xyxy boxes [..., N, 4].

    With (dx, dy, dw, dh) = deltas / (10, 10, 5, 5) the centre moves by dx, dy anchor sides, and the sides grow by
    exp(dw), exp(dh), at most 62.5.
    """
    deltas = deltas / deltas.new_tensor(DELTA_WEIGHTS)
    side = anchors[:, 2:] - anchors[:, :2]
    center = (anchors[:, :2] + anchors[:, 2:]) / 2 + deltas[..., :2] * side
    half = deltas[..., 2:].clamp(max=LARGEST_LOG_SIZE).exp() * side / 2
    return torch.cat([center - half, center + half], dim=-1)
