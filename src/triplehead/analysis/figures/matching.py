"""Which detections of an image are right, for pictures: by class, at IoU 0.5, in the order of their scores."""

import torch
from torchvision.ops import box_iou

IOU = 0.5


def match(truth: torch.Tensor, labels: torch.Tensor, boxes: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """Detections [D] -> the object that each finds, or -1 for a false positive.

    truth: [M, 4] xyxy, labels: [M]. boxes: [D, 4] xyxy, best score first, found: their labels [D]. Each takes,
    of the objects of its class that no better one has taken, the one that it overlaps most, at least with IoU 0.5.
    """
    result = torch.full((len(boxes),), -1)
    iou = box_iou(boxes.double(), truth.double())  # [D, M]
    iou[found[:, None] != labels] = 0
    for index in range(len(boxes) if len(truth) else 0):
        best = iou[index].argmax()
        if iou[index, best] >= IOU:
            result[index] = best
            iou[:, best] = 0
    return result
