"""Training losses of a one-stage detector."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from triplehead.detectors.boxes import Points, Predictions, boxes_to_ltrb, centerness, paired_iou
from triplehead.detectors.own import own_box_loss
from triplehead.plan.options import Loss, OwnBoxLoss

# From what the images at hand count, by name, to what the whole batch counts; a batch may be spread over devices
# and steps of accumulation (engine/batch.py). Losses are divided by the latter, so that their parts add up.
Share = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def alone(counts: dict[str, Tensor]) -> dict[str, Tensor]:
    """The images at hand are the whole batch."""
    return counts


def iou_loss(boxes: Tensor, gt_boxes: Tensor) -> Tensor:
    """-log IoU (UnitBox), smoothed as (I + 1) / (U + 1) in square pixels like FCOS; [P, 4] -> [P].

    A box whose corners are swapped has no area.
    """
    top_left = torch.maximum(boxes[:, :2], gt_boxes[:, :2])
    bottom_right = torch.minimum(boxes[:, 2:], gt_boxes[:, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=1)
    area, gt_area = ((each[:, 2:] - each[:, :2]).clamp(min=0).prod(dim=1) for each in (boxes, gt_boxes))
    union = area + gt_area - intersection
    return -torch.log((intersection + 1) / (union + 1))


BoxLoss = Callable[[Tensor, Tensor], Tensor]  # boxes [P, 4], gt_boxes [P, 4] -> [P]
BOX_LOSSES: dict[str, BoxLoss] = {"iou": iou_loss, "giou": generalized_box_iou_loss}


def build_box_loss(options: Loss) -> BoxLoss:
    """The loss of boxes that the options name; the user's is held to its shape."""
    return own_box_loss(options.box) if isinstance(options.box, OwnBoxLoss) else BOX_LOSSES[options.box]


def dense_losses(
    predictions: Predictions,
    points: Points,
    targets: list[dict[str, Tensor]],
    matched_gt: Tensor,
    options: Loss,
    quality: str,
    refined: bool,
    share: Share = alone,
    box_loss: BoxLoss | None = None,
) -> dict[str, Tensor]:
    """Focal loss over all samples but the ignored, box and quality losses over the positives.

    matched_gt: [B, N] with -2 ignore, -1 background, else the index of the image's box. `quality` is what the
    quality branch learns (none, centerness, iou). Each loss is divided by the number of positives; the box loss
    of a head with centerness is weighted by it and divided by its sum, as in FCOS. Both are those of the whole
    batch, which `share` knows. box_loss: what `options` name, unless it is given.
    """
    positive = matched_gt >= 0
    image, sample = positive.nonzero(as_tuple=True)  # [P]
    gt_boxes, gt_labels = gather_gt(targets, matched_gt, image, sample)
    weight = gt_boxes.new_ones(len(image))
    target_centerness = None
    counts = {"positives": weight.sum()}
    if quality == "centerness":
        target_centerness = weight = centerness(boxes_to_ltrb(points.xy[sample], gt_boxes))
        counts["centerness"] = weight.sum()
    totals = share(counts)
    num_positive = totals["positives"].clamp(min=1)
    total_weight = totals["centerness"].clamp(min=1e-6) if quality == "centerness" else num_positive

    one_hot = torch.zeros_like(predictions.logits)
    one_hot[image, sample, gt_labels] = 1
    focal = sigmoid_focal_loss(predictions.logits, one_hot, options.focal_alpha, options.focal_gamma)
    losses = {"classification": focal[matched_gt != -2].sum() / num_positive}

    box_loss = box_loss or build_box_loss(options)
    final, coarse = predictions.boxes_of(image, sample), None
    one_box = predictions.coarse_boxes is None
    scale = options.box_weight if one_box else options.refined_weight if refined else options.coarse_weight
    losses["box"] = scale * (box_loss(final, gt_boxes) * weight).sum() / total_weight
    if predictions.coarse_boxes is not None:
        coarse = predictions.coarse_boxes[image, sample]
        if predictions.two_boxes:
            losses["coarse_box"] = options.coarse_weight * box_loss(coarse, gt_boxes).sum() / num_positive

    if quality != "none":
        if target_centerness is None:
            judged = coarse if coarse is not None and options.iou_target == "coarse" else final
            target_quality = paired_iou(judged.detach(), gt_boxes)
        else:
            target_quality = target_centerness
        assert predictions.quality is not None
        entropy = binary_cross_entropy_with_logits(predictions.quality[image, sample], target_quality, reduction="sum")
        losses["quality"] = options.quality_weight * entropy / num_positive
    return losses


def gather_gt(
    targets: list[dict[str, Tensor]], matched_gt: Tensor, image: Tensor, sample: Tensor
) -> tuple[Tensor, Tensor]:
    """Boxes [P, 4] and labels [P] that the positives, samples [P] of images [P], are matched with."""
    boxes = torch.cat([target["boxes"] for target in targets])
    labels = torch.cat([target["labels"] for target in targets])
    counts = torch.tensor([len(target["boxes"]) for target in targets], device=matched_gt.device)
    first = counts.cumsum(0) - counts
    index = first[image] + matched_gt[image, sample]
    return boxes[index], labels[index]
