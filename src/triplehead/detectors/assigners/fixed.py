"""Assigners that look at boxes and points alone, not at what is predicted."""

from typing import Generic, TypeVar

import torch
from torch import Tensor

from triplehead.detectors.assigners.order import in_order
from triplehead.detectors.boxes import Points, Predictions
from triplehead.plan.options import Options

Chosen = TypeVar("Chosen", bound=Options)


class FixedAssigner(Generic[Chosen]):
    """Image by image, by `match` of a subclass; `prepare` is what all images share.

    Where `match` takes the first of equal boxes, that is the first by coordinates, not as in the public
    implementations the first that the annotations name.
    """

    def __init__(self, options: Chosen):
        self.options = options

    @torch.no_grad()
    @in_order
    def __call__(
        self, predictions: Predictions, points: Points, targets: list[dict[str, Tensor]], progress: float
    ) -> Tensor:
        """Assign N points in each of B images -> matched_gt [B, N] long: a box's index, -1 background, -2 ignore.

        targets: per image boxes [M, 4] (xyxy pixels) and labels [M]; M may be 0. Predictions and progress play no part.
        """
        shared = self.prepare(points)
        return torch.stack([self.match(target["boxes"], points, shared) for target in targets])

    def prepare(self, points: Points) -> Tensor:
        """A tensor with a row for each of the N points."""
        raise NotImplementedError

    def match(self, boxes: Tensor, points: Points, shared: Tensor) -> Tensor:
        """One image: boxes [M, 4] -> matched_gt [N]."""
        raise NotImplementedError
