"""Predictions -> detections."""

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image

from triplehead.detectors.boxes import Points, Predictions
from triplehead.plan.options import Postprocess


def detect(
    predictions: Predictions, points: Points, sizes: list[tuple[int, int]], options: Postprocess
) -> list[dict[str, Tensor]]:
    """Detections of each image: boxes [D, 4] inside the image, scores [D] descending, labels [D].

    As in FCOS: classes are kept by their own probability, ranked by the score that the quality enters, the best
    per level go to class-wise NMS. A border branch's probability p enters as sqrt(score * p), in BorderDet's way.
    By detectron2's rule classes are kept by the score, and boxes are cut at the border after NMS.
    sizes: (height, width) of each image.
    """
    probabilities = predictions.logits.sigmoid()
    scores = probabilities
    if predictions.quality is not None:
        exponent = options.quality_exponent
        scores = probabilities ** (1 - exponent) * predictions.quality.sigmoid()[..., None] ** exponent
    if predictions.border_logits is not None:
        scores = (scores * predictions.border_logits.sigmoid()).sqrt()
    kept_by = scores if options.rule == "detectron2" else probabilities
    return [
        _one_image(kept_by[i], scores[i], predictions.boxes[i], points, size, options) for i, size in enumerate(sizes)
    ]


def _one_image(
    probabilities: Tensor, scores: Tensor, boxes: Tensor, points: Points, size: tuple[int, int], options: Postprocess
) -> dict[str, Tensor]:
    kept_boxes, kept_scores, kept_labels = [], [], []
    levels = (points.split(values, dim=0) for values in (probabilities, scores, boxes))
    for level_probabilities, level_scores, level_boxes in zip(*levels, strict=True):
        sample, label = (level_probabilities > options.score_threshold).nonzero(as_tuple=True)
        candidates = level_scores[sample, label]
        best = candidates.argsort(descending=True, stable=True)[: options.pre_nms]
        kept_scores.append(candidates[best])
        kept_labels.append(label[best])
        kept_boxes.append(level_boxes[sample[best]])
    boxes, scores, labels = torch.cat(kept_boxes), torch.cat(kept_scores), torch.cat(kept_labels)
    if options.rule == "fcos":
        boxes, scores, labels = _inside(boxes, scores, labels, size)
    keep = batched_nms(boxes, scores, labels, options.nms_iou)[: options.max_detections]
    boxes, scores, labels = _inside(boxes[keep], scores[keep], labels[keep], size)
    return {"boxes": boxes, "scores": scores, "labels": labels}


def _inside(boxes: Tensor, scores: Tensor, labels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Cut at the image's border; those that lie outside it are left out."""
    boxes = clip_boxes_to_image(boxes, size)
    real = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return boxes[real], scores[real], labels[real]
