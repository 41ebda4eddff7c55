"""RetinaNet's assignment by the overlap of anchors and boxes (Lin et al. 2017, section 4)."""

import torch
from torch import Tensor
from torchvision.ops import box_iou

from triplehead.detectors.anchors import square_anchors
from triplehead.detectors.assigners.ambiguous import BACKGROUND, IGNORE
from triplehead.detectors.assigners.fixed import FixedAssigner
from triplehead.detectors.assigners.joint_loss import INSIDE_MARGIN
from triplehead.detectors.boxes import Points, boxes_to_ltrb
from triplehead.plan import options as plan


class MaxIoUAssigner(FixedAssigner[plan.MaxIoU]):
    """A point learns the box that its anchor overlaps most, if it does so well enough.

    The anchor is one square per point. Its highest IoU with a box decides: from `positive` on it learns that box,
    below `negative` it is background, between them it is ignored. Low-quality matches come on top: the anchors
    (all, if several tie) that overlap a box most are positive even so, for the box that each overlaps most.

    A head that predicts the distances to the four sides describes only boxes around its point. From an IoU of 0.5
    on the anchor's centre is never outside the box (else the box covers at most half the anchor). Low-quality
    matches need a rule: `low_quality: inside` considers, for each box, only the points that lie in it. A box that
    overlaps no anchor has no match. Computed in float64, so that ties are ties.
    """

    def prepare(self, points: Points) -> Tensor:
        return square_anchors(points, self.options.anchor_scale).double()

    def match(self, boxes: Tensor, points: Points, anchors: Tensor) -> Tensor:
        options = self.options
        if not len(boxes):
            return torch.full_like(points.level, BACKGROUND)
        boxes = boxes.to(anchors)
        iou = box_iou(boxes, anchors)  # [M, N]
        best, matched_gt = iou.max(dim=0)  # max: the first of equals
        matched_gt = matched_gt.masked_fill(best < options.positive, IGNORE)
        matched_gt = matched_gt.masked_fill(best < options.negative, BACKGROUND)
        if options.low_quality == "none":
            return matched_gt

        if options.low_quality == "inside":
            inside = boxes_to_ltrb(points.xy, boxes[:, None]).amin(dim=2) > INSIDE_MARGIN
            iou = iou.masked_fill(~inside, 0)
        highest = iou.amax(dim=1, keepdim=True)  # [M, 1]
        low_quality = ((iou == highest) & (iou > 0)).any(dim=0)
        return torch.where(low_quality & (matched_gt < 0), iou.argmax(dim=0), matched_gt)
