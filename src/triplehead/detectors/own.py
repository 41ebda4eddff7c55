"""Parts whose class is the user's (docs/your-own.md): made from their options, and held to what they must return.

What they return is looked at in the first call: a mistake is then a line, not an index error somewhere else.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from triplehead.detectors.boxes import FinalBoxes, Points, Predictions
from triplehead.errors import InputError
from triplehead.plan.options import OwnAssigner, OwnBoxLoss, OwnHead
from triplehead.plan.own_code import made_of


class CheckedAssigner:
    """The user's assigner as the detector calls it: without gradients, its first answer checked."""

    def __init__(self, part: OwnAssigner):
        kind, options = made_of(part)
        self.path, self.options, self.assigner = part.path, options, kind(options)
        self.seen = False

    @torch.no_grad()
    def __call__(
        self, predictions: Predictions, points: Points, targets: list[dict[str, Tensor]], progress: float
    ) -> Tensor:
        """matched_gt [B, N] long, as of every assigner. Raises InputError if the first answer is none."""
        matched_gt = self.assigner(predictions, points, targets, progress)
        if not self.seen:
            check_matched(self.path, matched_gt, len(points.xy), targets)
            self.seen = True
        return matched_gt


def check_matched(path: str, matched_gt: object, num_points: int, targets: list[dict[str, Tensor]]) -> None:
    """Raises InputError unless matched_gt is [B, N] long, each -2, -1 or the index of a box of its image."""
    expected = (len(targets), num_points)
    if not isinstance(matched_gt, Tensor):
        raise InputError(path, f"returned {type(matched_gt).__name__}, expected a tensor [B, N] long")
    if tuple(matched_gt.shape) != expected or matched_gt.dtype != torch.long:
        found = f"{list(matched_gt.shape)} {str(matched_gt.dtype).removeprefix('torch.')}"
        raise InputError(path, f"returned a tensor {found}, expected {list(expected)} int64")
    for image, (matched, target) in enumerate(zip(matched_gt, targets, strict=True)):
        low, high, boxes = int(matched.min()), int(matched.max()), len(target["boxes"])
        if low < -2 or high >= boxes:
            wrong = low if low < -2 else high
            raise InputError(
                path, f"matched a point of image {image} with box {wrong}; it has {boxes}, -1 background, -2 ignore"
            )


def own_head(part: OwnHead, channels: int, num_classes: int, strides: list[int]) -> nn.Module:
    """The user's head; its first predictions are checked, of which InputError tells."""
    kind, options = made_of(part)
    head = kind(options, channels, num_classes, strides)
    head.options = options

    def check(module: nn.Module, inputs: tuple, output: object) -> None:
        hook.remove()
        check_predictions(part, output, len(inputs[0][0]), len(inputs[1].xy), num_classes)

    hook = head.register_forward_hook(check)
    return head


def check_predictions(part: OwnHead, output: object, batch: int, num_points: int, num_classes: int) -> None:
    """Raises InputError unless output is `Predictions` of B images at N points, with what the losses then read."""
    if not isinstance(output, Predictions):
        raise InputError(
            part.path, f"returned {type(output).__name__}, expected triplehead.detectors.boxes.Predictions"
        )
    shapes: dict[str, tuple[int, ...]] = {"logits": (batch, num_points, num_classes), "boxes": (batch, num_points, 4)}
    if output.coarse_boxes is not None:
        shapes["coarse_boxes"] = (batch, num_points, 4)
    if part.quality != "none":
        shapes["quality"] = (batch, num_points)
    if isinstance(output.given_boxes, FinalBoxes):
        del shapes["boxes"]  # to look at them would be to compute them, and the step another one
    for name, expected in shapes.items():
        value = getattr(output, name)
        found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if found != list(expected):
            raise InputError(part.path, f"predicted {name} {found}, expected {list(expected)}")
    if part.quality == "none" and output.quality is not None:
        raise InputError(part.path, 'predicted a quality, but its options name none; a field `quality: "iou"` would')
    if output.border_logits is not None:
        raise InputError(part.path, "predicted border_logits, which belong to the border head alone")


def own_box_loss(part: OwnBoxLoss) -> Callable[[Tensor, Tensor], Tensor]:
    """The user's loss of boxes [P, 4] and gt_boxes [P, 4] -> [P]; InputError if it returns another shape."""
    kind, options = made_of(part)
    loss = kind(options)

    def checked(boxes: Tensor, gt_boxes: Tensor) -> Tensor:
        value = loss(boxes, gt_boxes)
        if not isinstance(value, Tensor) or value.shape != boxes.shape[:1]:
            found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                part.path, f"returned {found}, expected a loss for each of {len(boxes)} boxes, {[len(boxes)]}"
            )
        return value

    return checked
