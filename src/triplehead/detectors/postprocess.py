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
    sizes: (height, width) of each image.
    """
    probabilities = predictions.logits.sigmoid()
    scores = probabilities
    if predictions.quality is not None:
        exponent = options.quality_exponent
        scores = probabilities ** (1 - exponent) * predictions.quality.sigmoid()[..., None] ** exponent
    if predictions.border_logits is not None:
        scores = (scores * predictions.border_logits.sigmoid()).sqrt()
    return [
        _one_image(probabilities[i], scores[i], predictions.boxes[i], points, size, options)
        for i, size in enumerate(sizes)
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
    boxes = clip_boxes_to_image(torch.cat(kept_boxes), size)
    scores, labels = torch.cat(kept_scores), torch.cat(kept_labels)
    real = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, scores, labels = boxes[real], scores[real], labels[real]
    keep = batched_nms(boxes, scores, labels, options.nms_iou)[: options.max_detections]
    return {"boxes": boxes[keep], "scores": scores[keep], "labels": labels[keep]}
