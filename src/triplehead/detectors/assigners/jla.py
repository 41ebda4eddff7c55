"""Joint-loss-aware label assignment, JLA: section 3.2 of the paper, from top to bottom.

For each ground-truth box:

1. foreground: the points inside the box (I_in of eq. (1));
2. the joint loss L_u of each with the box (eq. (2));
3. candidates: the k points with the smallest joint loss;
4. a mixture of two Gaussians is fitted to the candidates' losses (eq. (3));
5. positives: the candidates up to the boundary f_m of the low-loss cluster (eq. (4)).

A point that several boxes claim is ambiguous. Early in training it goes to the box whose weight (eq. (5))
exceeds a threshold (eq. (6)), later to the box with which its joint loss is smallest.

All boxes of all images are treated at once. The data structure throughout is a list of claims, one per
(box, sample) pair: boxes are numbered through the batch, and so are samples, a sample being one point of
one image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from triplehead.detectors.assigners.ambiguous import BACKGROUND, resolve
from triplehead.detectors.assigners.joint_loss import chosen_rows, inside_pairs, joint_loss
from triplehead.detectors.assigners.mixture import low_cluster
from triplehead.detectors.assigners.order import in_order
from triplehead.detectors.boxes import Points, Predictions
from triplehead.plan import options as plan


@dataclass(frozen=True)
class Claims:
    """Box `gt[p]` claims sample `sample[p]` at joint loss `loss[p]`; sorted by box, then by sample."""

    gt: Tensor
    sample: Tensor
    loss: Tensor

    def __getitem__(self, keep: Tensor) -> "Claims":
        """Those where `keep`, bool [P]."""
        kept = keep.nonzero().squeeze(1)
        return Claims(*(part.index_select(0, kept) for part in (self.gt, self.sample, self.loss)))


class JLAAssigner:
    """Decides which box, if any, each point of each image has to learn.

    focal_alpha, focal_gamma: those of the classification loss, so that eq. (2) sees what training minimises.
    """

    def __init__(self, options: plan.JLA, focal_alpha: float = 0.25, focal_gamma: float = 2.0):
        self.options = options
        self.focal_alpha = focal_alpha
        self.focal_gamma = focal_gamma

    @torch.no_grad()
    @in_order
    def __call__(
        self, predictions: Predictions, points: Points, targets: list[dict[str, Tensor]], progress: float
    ) -> Tensor:
        """Assign N points in each of B images -> matched_gt [B, N] long.

        An entry is the index of a box of that image, -1 (background) or -2 (ignore).
        targets: per image boxes [M, 4] (xyxy pixels) and labels [M]; M may be 0. progress: share of training
        done, 0..1.
        """
        options = self.options
        late = progress >= options.switch_at
        num_images, num_points = predictions.logits.shape[:2]
        boxes_per_image = [len(target["boxes"]) for target in targets]
        num_boxes = sum(boxes_per_image)
        matched_gt = torch.full_like(predictions.logits[..., 0], BACKGROUND, dtype=torch.long).flatten()  # [BN]

        claims = self._foreground(predictions, points, targets)
        if options.resolve == "before":
            samples, decision = self._resolve(claims, late)
            matched_gt[samples] = decision
            claims = claims[matched_gt[claims.sample] == claims.gt]
            matched_gt.clamp_(max=BACKGROUND)  # the winners still have to be among their box's positives

        claims = smallest_per_box(claims, num_boxes, options.k_in_force)
        claims = self._low_loss(claims, num_boxes)

        # After resolution 'before' every sample has one claim left, which this confirms.
        samples, decision = self._resolve(claims, late)
        matched_gt[samples] = decision

        # From boxes numbered through the batch to boxes numbered within their image.
        counts = torch.tensor(boxes_per_image, device=matched_gt.device)
        matched_gt = matched_gt.view(num_images, num_points)
        first_box = (counts.cumsum(0) - counts)[:, None]  # [B, 1]
        return torch.where(matched_gt >= 0, matched_gt - first_box, matched_gt)

    def _foreground(self, predictions: Predictions, points: Points, targets: list[dict[str, Tensor]]) -> Claims:
        """Every box claims the points inside it, at their joint loss; eqs. (1) and (2)."""
        num_points, num_classes = predictions.logits.shape[1:]
        device = predictions.logits.device
        boxes = torch.cat([target["boxes"].reshape(-1, 4) for target in targets]).to(device)  # [G, 4]
        labels = torch.cat([target["labels"].reshape(-1) for target in targets]).to(device)  # [G]
        counts = torch.tensor([len(target["boxes"]) for target in targets], device=device)
        image = torch.arange(len(targets), device=device).repeat_interleave(counts)  # [G]

        gt, point = inside_pairs(points, boxes)
        sample = image[gt] * num_points + point
        loss = joint_loss(
            predictions.logits.reshape(-1, num_classes),
            self._joint_boxes(predictions).reshape(-1, 4),
            sample,
            chosen_rows(boxes, gt),
            labels[gt],
            self.options.alpha,
            self.focal_alpha,
            self.focal_gamma,
        )
        return Claims(gt, sample, loss)

    def _joint_boxes(self, predictions: Predictions) -> Tensor:
        if self.options.joint_box == "final" or predictions.coarse_boxes is None:
            return predictions.boxes
        return predictions.coarse_boxes

    def _low_loss(self, claims: Claims, num_boxes: int) -> Claims:
        """Keep each box's claims up to the boundary of its low-loss cluster; eqs. (3) and (4)."""
        # One row per box, its claims in the first columns.
        column = position_in_box(claims.gt, num_boxes)
        width = int(column.max()) + 1 if len(column) else 0  # k at most, whatever k is
        losses = claims.loss.new_zeros(num_boxes, width)
        valid = torch.zeros_like(losses, dtype=torch.bool)
        losses[claims.gt, column] = claims.loss
        valid[claims.gt, column] = True
        return claims[low_cluster(losses, valid, self.options.boundary)[claims.gt, column]]

    def _resolve(self, claims: Claims, late: bool) -> tuple[Tensor, Tensor]:
        """One box, or none, for each claimed sample; eqs. (5) and (6)."""
        options = self.options
        return resolve(claims.sample, claims.gt, claims.loss, options.theta, late, options.fallback)


def position_in_box(gt: Tensor, num_boxes: int) -> Tensor:
    """Claims [P] sorted by box -> 0, 1, 2, ... within each box."""
    counts = gt.bincount(minlength=num_boxes)
    first = counts.cumsum(0) - counts  # [G]
    return torch.arange(len(gt), device=gt.device) - first[gt]


def smallest_per_box(claims: Claims, num_boxes: int, k: int) -> Claims:
    """The k claims of each box with the smallest loss (all, if it has fewer); equal losses: lowest sample."""
    # Losses are float32 and not negative, so their bits stand in their order: one sort of whole numbers does for two.
    bits = (claims.loss + 0.0).view(torch.int32)  # without a negative zero
    by_box_and_loss = ((claims.gt << 32) | bits).argsort(stable=True)
    rank = position_in_box(claims.gt[by_box_and_loss], num_boxes)
    keep = torch.zeros_like(claims.gt, dtype=torch.bool)
    keep[by_box_and_loss[rank < min(k, len(rank))]] = True  # k has no bound, a tensor's integers have
    return claims[keep]
