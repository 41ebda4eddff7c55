"""Boxes that tie: the order in which the annotations name them decides nothing."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Assign = Callable[..., Tensor]


def by_place(boxes: Tensor, labels: Tensor) -> Tensor:
    """Boxes [M, 4] by x1, y1, x2, y2, then by label -> indices [M]."""
    order = labels.argsort()
    for column in reversed(boxes.unbind(dim=1)):
        order = order[column[order].argsort(stable=True)]
    return order


def in_order(assign: Assign) -> Assign:
    """An assigner's call that sees each image's boxes `by_place`: the first of equals is the first in that order."""

    @wraps(assign)
    def call(self: Any, predictions: Any, points: Any, targets: list[dict[str, Tensor]], progress: float) -> Tensor:
        orders = [by_place(target["boxes"], target["labels"]) for target in targets]
        turned = [
            {key: target[key][order] for key in ("boxes", "labels")}
            for target, order in zip(targets, orders, strict=True)
        ]
        matched = assign(self, predictions, points, turned, progress)
        index = pad_sequence(orders, batch_first=True).to(matched.device)  # [B, largest M]
        if not index.shape[1]:
            return matched
        return torch.where(matched >= 0, index.gather(1, matched.clamp(min=0)), matched)

    return call
