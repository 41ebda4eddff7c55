"""What a border branch learns: boxes that FCOS's part found well are classified again and refined."""

import torch
from torch import Tensor
from torchvision.ops import box_iou, sigmoid_focal_loss

from triplehead.detectors.assigners.ambiguous import BACKGROUND
from triplehead.detectors.assigners.order import by_place
from triplehead.detectors.boxes import Predictions, boxes_to_deltas
from triplehead.detectors.losses import Share, alone, gather_gt
from triplehead.plan.options import Loss


def border_targets(coarse_boxes: Tensor, targets: list[dict[str, Tensor]], positive_iou: float) -> Tensor:
    """The ground-truth box that overlaps each coarse box most -> its index in the image, [B, N] long.

    coarse_boxes: [B, N, 4]. -1, background, where their IoU is below `positive_iou`; of equals the first.
    """
    return torch.stack(
        [_match(boxes, target["boxes"], positive_iou) for boxes, target in zip(coarse_boxes, targets, strict=True)]
    )


def _match(boxes: Tensor, gt_boxes: Tensor, positive_iou: float) -> Tensor:
    if not len(gt_boxes):
        return torch.full_like(boxes[:, 0], BACKGROUND, dtype=torch.long)
    best, index = box_iou(boxes, gt_boxes).max(dim=1)
    return torch.where(best >= positive_iou, index, BACKGROUND)


def _by_place(target: dict[str, Tensor]) -> dict[str, Tensor]:
    order = by_place(target["boxes"], target["labels"], torch.zeros_like(target["labels"]))
    return {key: target[key][order] for key in ("boxes", "labels")}


def border_losses(
    predictions: Predictions,
    targets: list[dict[str, Tensor]],
    options: Loss,
    positive_iou: float,
    share: Share = alone,
) -> dict[str, Tensor]:
    """Focal loss of all border logits, L1 of the positives' deltas; both over the positives of the whole batch."""
    logits, deltas = predictions.border_logits, predictions.border_deltas
    assert predictions.coarse_boxes is not None and logits is not None and deltas is not None
    coarse = predictions.coarse_boxes.detach()
    targets = [_by_place(target) for target in targets]
    matched_gt = border_targets(coarse, targets, positive_iou)
    image, sample = (matched_gt >= 0).nonzero(as_tuple=True)  # [P]
    gt_boxes, gt_labels = gather_gt(targets, matched_gt, image, sample)
    counts = {"border_positives": coarse.new_tensor(float(len(image)))}
    num_positive = share(counts)["border_positives"].clamp(min=1)

    one_hot = torch.zeros_like(logits)
    one_hot[image, sample, gt_labels] = 1
    focal = sigmoid_focal_loss(logits, one_hot, options.focal_alpha, options.focal_gamma)
    wanted = boxes_to_deltas(coarse[image, sample], gt_boxes)
    missed = (deltas[image, sample] - wanted).abs()
    return {"border_classification": focal.sum() / num_positive, "border_box": missed.sum() / num_positive}
