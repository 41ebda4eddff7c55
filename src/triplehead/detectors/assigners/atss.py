"""Adaptive training sample selection, ATSS (Zhang et al. 2020, algorithm 1)."""

import torch
from torch import Tensor

from triplehead.detectors.anchors import square_anchors
from triplehead.detectors.assigners.ambiguous import BACKGROUND
from triplehead.detectors.assigners.fixed import FixedAssigner
from triplehead.detectors.assigners.joint_loss import INSIDE_MARGIN
from triplehead.detectors.boxes import Points, boxes_to_ltrb, paired_iou
from triplehead.plan import options as plan


class ATSSAssigner(FixedAssigner[plan.ATSS]):
    """A box's positives are, of the anchors nearest to it, those that overlap it unusually well.

    For each box:

    1. candidates: on each level the `top_k` points nearest to its centre (all, if the level has fewer);
    2. threshold: mean + standard deviation (unbiased) of the IoUs of the candidates' anchors with the box;
    3. positives: candidates with an IoU of at least the threshold whose point lies in the box.

    A point that several boxes claim goes to the one with the highest IoU. Nothing is ignored. Where the
    publication is silent: of equally near points the first count, of equal IoUs the first box wins (`in_order`), and a
    single candidate has deviation 0. Computed in float64, so that symmetric cases do not hang on rounding.
    """

    def prepare(self, points: Points) -> Tensor:
        return square_anchors(points, self.options.anchor_scale).double()

    def match(self, boxes: Tensor, points: Points, anchors: Tensor) -> Tensor:
        if not len(boxes):
            return torch.full_like(points.level, BACKGROUND)
        boxes = boxes.to(anchors)
        candidates = self._candidates(boxes, points)  # [M, K]
        iou = paired_iou(boxes[:, None], anchors[candidates])  # [M, K]
        deviation = iou.std(dim=1, keepdim=True) if iou.shape[1] > 1 else 0
        inside = boxes_to_ltrb(points.xy[candidates], boxes[:, None]).amin(dim=2) > INSIDE_MARGIN
        positive = inside & (iou >= iou.mean(dim=1, keepdim=True) + deviation)

        claims = iou.new_full((len(boxes), len(anchors)), -1)  # [M, N]
        claims.scatter_(1, candidates, iou.masked_fill(~positive, -1))
        best, matched_gt = claims.max(dim=0)
        return torch.where(best >= 0, matched_gt, BACKGROUND)

    def _candidates(self, boxes: Tensor, points: Points) -> Tensor:
        """The points nearest to each box's centre on each level -> [M, K], indices of points."""
        center = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2  # [M, 1, 2]
        nearest, first = [], 0
        for xy in points.split(points.xy, dim=0):
            distance = (xy - center).square().sum(dim=2)  # [M, n]
            nearest.append(first + distance.argsort(dim=1, stable=True)[:, : self.options.top_k])
            first += len(xy)
        return torch.cat(nearest, dim=1)
