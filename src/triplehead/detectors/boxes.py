"""Points, boxes and what a head predicts for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Points:
    """The centres of all feature cells, levels concatenated, finest first.

    xy: [N, 2] pixels. stride: [N] pixels. level: [N] long. sizes: (height, width) of each level.
    """

    xy: Tensor
    stride: Tensor
    level: Tensor
    sizes: tuple[tuple[int, int], ...]

    @property
    def columns(self) -> tuple[Tensor, ...]:
        """x of each level's columns, ascending, pixels."""
        return tuple(level[:width, 0] for level, (_, width) in zip(self.split(self.xy, 0), self.sizes, strict=True))

    @property
    def rows(self) -> tuple[Tensor, ...]:
        """y of each level's rows, ascending, pixels."""
        return tuple(level[::width, 1] for level, (_, width) in zip(self.split(self.xy, 0), self.sizes, strict=True))

    def split(self, values: Tensor, dim: int = 1) -> tuple[Tensor, ...]:
        """Cut a tensor with N entries along dim into its levels."""
        return values.split([h * w for h, w in self.sizes], dim=dim)


class FinalBoxes:
    """Final boxes that are computed once somebody asks: all of them, or those of a few points alone.

    all_boxes: () -> [B, N, 4]. chosen_boxes: image [P], sample [P] -> [P, 4], the same up to rounding. Whenever that
    is, gradients and mixed precision are as they were when this was made. Pickled, they are a tensor.
    """

    def __init__(self, all_boxes: Callable[[], Tensor], chosen_boxes: Callable[[Tensor, Tensor], Tensor], like: Tensor):
        """like: [B, N, ...], a tensor of the same points."""
        self._all_boxes, self._chosen_boxes, self._num_points = all_boxes, chosen_boxes, like.shape[:2].numel()
        self._device, self._gradient = like.device.type, torch.is_grad_enabled()
        self._autocast = torch.is_autocast_enabled(self._device), torch.get_autocast_dtype(self._device)

    @cached_property
    def all(self) -> Tensor:
        """[B, N, 4]."""
        with self._as_made():
            return self._all_boxes()

    def of(self, image: Tensor, sample: Tensor) -> Tensor:
        """[P, 4] of samples [P] of images [P]."""
        # A point costs what the 3x3 cells around it cost.
        if "all" in vars(self) or 9 * len(sample) > self._num_points:
            return self.all[image, sample]
        with self._as_made():
            return self._chosen_boxes(image, sample)

    @contextmanager
    def _as_made(self) -> Iterator[None]:
        enabled, dtype = self._autocast
        with torch.set_grad_enabled(self._gradient), torch.autocast(self._device, dtype=dtype, enabled=enabled):
            yield

    def __reduce__(self) -> tuple:
        return _itself, (self.all,)


def _itself(boxes: Tensor) -> Tensor:
    return boxes


class _Boxes:
    """A field of `Predictions`: a tensor, or `FinalBoxes`, which are one once it is read."""

    def __get__(self, predictions: "Predictions | None", kind: type) -> Tensor:
        if predictions is None:
            raise AttributeError  # which tells dataclass that there is no default
        boxes = vars(predictions)["given_boxes"]
        return boxes.all if isinstance(boxes, FinalBoxes) else boxes

    def __set__(self, predictions: "Predictions", boxes: Tensor | FinalBoxes) -> None:
        vars(predictions)["given_boxes"] = boxes


@dataclass(frozen=True)
class Predictions:
    """What a head says of B images at N points.

    logits: [B, N, C]. boxes: [B, N, 4] xyxy pixels, the final ones; a head may give `FinalBoxes`. coarse_boxes: the
    same from the pre-regression branch, or None. quality: [B, N] logits of centerness or IoU, or None. A border
    branch's verdict on the coarse boxes: border_logits [B, N, C] and border_deltas [B, N, 4], which lead to `boxes`.
    """

    logits: Tensor
    boxes: _Boxes = _Boxes()
    coarse_boxes: Tensor | None = None
    quality: Tensor | None = None
    border_logits: Tensor | None = None
    border_deltas: Tensor | None = None

    @property
    def first_stage(self) -> "Predictions":
        """What assigners judge and the dense losses train: all but a border branch, whose targets are its own."""
        if self.border_logits is None or self.coarse_boxes is None:
            return self
        return Predictions(self.logits, self.coarse_boxes, None, self.quality)

    @property
    def two_boxes(self) -> bool:
        """Whether a point has a final box beside the coarse one."""
        return self.coarse_boxes is not None and self.coarse_boxes is not self.given_boxes

    @property
    def given_boxes(self) -> Tensor | FinalBoxes:
        """The final boxes as the head gave them: not computed by being looked at."""
        return vars(self)["given_boxes"]

    def boxes_of(self, image: Tensor, sample: Tensor) -> Tensor:
        """The final boxes [P, 4] of chosen points: samples [P] of images [P]."""
        given = self.given_boxes
        return given.of(image, sample) if isinstance(given, FinalBoxes) else given[image, sample]


def size_of(maps: Tensor) -> tuple[int, int]:
    """(height, width) of maps [..., H, W]."""
    height, width = maps.shape[-2:]
    return height, width


def make_points(sizes: list[tuple[int, int]], strides: list[int], device: torch.device | str = "cpu") -> Points:
    """Cell (i, j) of a level lies at (j * stride + stride // 2, i * stride + stride // 2), as in FCOS."""
    xy, stride_of, level_of = [], [], []
    for level, ((height, width), stride) in enumerate(zip(sizes, strides, strict=True)):
        y = torch.arange(height, device=device) * stride + stride // 2
        x = torch.arange(width, device=device) * stride + stride // 2
        xy.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2).float())  # [HW, 2]
        stride_of.append(torch.full((height * width,), float(stride), device=device))
        level_of.append(torch.full((height * width,), level, device=device))
    return Points(torch.cat(xy), torch.cat(stride_of), torch.cat(level_of), tuple(sizes))


def ltrb_to_boxes(xy: Tensor, ltrb: Tensor) -> Tensor:
    """Distances [..., N, 4] from points [N, 2] to the four sides -> xyxy boxes [..., N, 4]."""
    return torch.cat([xy - ltrb[..., :2], xy + ltrb[..., 2:]], dim=-1)


def boxes_to_ltrb(xy: Tensor, boxes: Tensor) -> Tensor:
    """Inverse of `ltrb_to_boxes`; negative where the point lies outside."""
    return torch.cat([xy - boxes[..., :2], boxes[..., 2:] - xy], dim=-1)


def boxes_to_deltas(boxes: Tensor, gt_boxes: Tensor) -> Tensor:
    """How far each corner coordinate of boxes [..., 4] is from gt_boxes [..., 4], in half widths and heights."""
    return (gt_boxes - boxes) / _half_sides(boxes)


def deltas_to_boxes(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Inverse of `boxes_to_deltas`: moves the corners of boxes [..., 4]."""
    return boxes + deltas * _half_sides(boxes)


def _half_sides(boxes: Tensor) -> Tensor:
    half = (boxes[..., 2:] - boxes[..., :2]) / 2
    return torch.cat([half, half], dim=-1)


def centerness(ltrb: Tensor) -> Tensor:
    """FCOS, eq. (3): sqrt(min(l,r)/max(l,r) * min(t,b)/max(t,b)); [..., 4] -> [...]."""
    low = torch.minimum(ltrb[..., :2], ltrb[..., 2:]).clamp(min=0)
    high = torch.maximum(ltrb[..., :2], ltrb[..., 2:]).clamp(min=1e-6)
    return (low / high).prod(dim=-1).sqrt()


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes [..., 4] with boxes [..., 4], one by one -> [...]."""
    top_left = torch.maximum(a[..., :2], b[..., :2])
    bottom_right = torch.minimum(a[..., 2:], b[..., 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=-1)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(dim=-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(dim=-1)
    return intersection / (area_a + area_b - intersection).clamp(min=1e-9)
