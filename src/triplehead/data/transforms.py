"""From what the reader gives to what a detector takes (torchvision.transforms.v2)."""

import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from triplehead.data.dataset import Target
from triplehead.plan.options import Input


def scaled_size(height: int, width: int, short: int, long: int) -> tuple[int, int]:
    """(height, width) after Detectron's rule: the shorter side becomes `short` unless the longer would exceed
    `long`; rounded half up."""
    scale = min(short / min(height, width), long / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resize(image: torch.Tensor, boxes: torch.Tensor, short: int, long: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale an image [3, H, W] and its boxes [M, 4] by `scaled_size` (bilinear, antialiased)."""
    before = _size(image)
    after = scaled_size(*before, short, long)
    if before == after:
        return image, boxes
    return F.resize(image, list(after), antialias=True), _moved(F.resize, boxes, before, list(after))


def flip(image: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror left and right."""
    return F.horizontal_flip(image), _moved(F.horizontal_flip, boxes, _size(image))


class EvalTransform:
    """(image uint8, target) -> (image float32 [3, H', W'] in 0..1, target with boxes moved along).

    `target["size"]` stays the original (height, width), so that detections can be scaled back.
    """

    def __init__(self, options: Input):
        self.options = options

    def __call__(self, image: torch.Tensor, target: Target) -> tuple[torch.Tensor, Target]:
        image, boxes = resize(image, target["boxes"], self.short(), self.options.long)
        image, boxes = self.augment(image, boxes)
        return F.to_dtype(image, torch.float32, scale=True), target | {"boxes": boxes}

    def short(self) -> int:
        """The side that the shorter one is scaled to."""
        return self.options.short

    def augment(self, image: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image, boxes


class TrainTransform(EvalTransform):
    """The same with a random size and flip, drawn from torch's global generator (the loader seeds it per sample).

    short_range: smallest and largest side that the shorter one is scaled to; none: always the evaluation's.
    """

    def __init__(self, options: Input, short_range: tuple[int, int] | None = None):
        super().__init__(options)
        self.short_range = short_range

    def short(self) -> int:
        """The first number that is drawn for a sample."""
        if self.short_range is None:
            return self.options.short
        low, high = self.short_range
        return int(torch.randint(low, high + 1, ()))

    def augment(self, image: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return flip(image, boxes) if torch.rand(()) < self.options.flip else (image, boxes)


def _size(image: torch.Tensor) -> tuple[int, int]:
    height, width = image.shape[-2:]
    return height, width


def _moved(operation, boxes: torch.Tensor, canvas: tuple[int, int], *arguments) -> torch.Tensor:
    wrapped = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=canvas)
    return operation(wrapped, *arguments).as_subclass(torch.Tensor)
