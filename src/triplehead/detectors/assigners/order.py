"""Boxes that tie: the order in which the annotations name them decides nothing."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Assign = Callable[..., Tensor]


def by_place(boxes: Tensor, labels: Tensor, image: Tensor) -> Tensor:
    """Boxes [M, 4] by image [M], x1, y1, x2, y2, then by label -> indices [M]."""
    order = labels.argsort(stable=True)
    for column in (*reversed(boxes.unbind(dim=1)), image):
        order = order[column[order].argsort(stable=True)]
    return order


def in_order(assign: Assign) -> Assign:
    """An assigner's call that sees each image's boxes `by_place`: the first of equals is the first in that order."""

    @wraps(assign)
    def call(self: Any, predictions: Any, points: Any, targets: list[dict[str, Tensor]], progress: float) -> Tensor:
        boxes, labels = (torch.cat([target[key] for target in targets]) for key in ("boxes", "labels"))
        counts = [len(target["boxes"]) for target in targets]
        number = torch.tensor(counts, device=boxes.device)
        image = torch.arange(len(counts), device=boxes.device).repeat_interleave(number)
        order = by_place(boxes, labels, image)
        orders = (order - (number.cumsum(0) - number)[image]).split(counts)
        boxes, labels = boxes[order].split(counts), labels[order].split(counts)
        turned = [{"boxes": each, "labels": label} for each, label in zip(boxes, labels, strict=True)]
        matched = assign(self, predictions, points, turned, progress)
        index = pad_sequence(orders, batch_first=True).to(matched.device)  # [B, largest M]
        if not index.shape[1]:
            return matched
        return torch.where(matched >= 0, index.gather(1, matched.clamp(min=0)), matched)

    return call
