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
    candidates = [_candidates(kept_by[i], scores[i], points, options) for i in range(len(sizes))]
    samples = [sample for sample, _, _ in candidates]
    image = torch.cat([torch.full_like(sample, i) for i, sample in enumerate(samples)])
    boxes = predictions.boxes_of(image, torch.cat(samples)).split([len(sample) for sample in samples])
    return [
        _best(each, score, label, size, options)
        for each, (_, score, label), size in zip(boxes, candidates, sizes, strict=True)
    ]


def _candidates(
    probabilities: Tensor, scores: Tensor, points: Points, options: Postprocess
) -> tuple[Tensor, Tensor, Tensor]:
    """One image's candidates, the best of each level: samples, scores and labels, [D] each."""
    kept, first = [], 0
    levels = (points.split(values, dim=0) for values in (probabilities, scores))
    for level_probabilities, level_scores in zip(*levels, strict=True):
        sample, label = (level_probabilities > options.score_threshold).nonzero(as_tuple=True)
        candidates = level_scores[sample, label]
        best = candidates.argsort(descending=True, stable=True)[: options.pre_nms]
        kept.append((first + sample[best], candidates[best], label[best]))
        first += len(level_scores)
    samples, found, labels = (torch.cat(part) for part in zip(*kept, strict=True))
    return samples, found, labels


def _best(
    boxes: Tensor, scores: Tensor, labels: Tensor, size: tuple[int, int], options: Postprocess
) -> dict[str, Tensor]:
    """One image's detections, of its candidates."""
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
