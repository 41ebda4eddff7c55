"""The joint loss of a sample and a ground-truth box (paper, eq. (2))."""

import torch
from torch import Tensor

from triplehead.detectors.boxes import Points

INSIDE_MARGIN = 0.01  # pixels, as in LLA, on which JLA builds
# Predicted boxes pass through exp and can overflow; at this size (pixels) areas are still finite in float32.
LARGEST_COORDINATE = 1e8


def inside_pairs(points: Points, gt_boxes: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs with I_in = 1 in eqs. (1) and (2): the point lies strictly inside the box.

    gt_boxes: [M, 4] xyxy, pixels -> gt_index [P], point_index [P] (long), sorted by box, then by point. On the grid
    of a level the points inside a box are some rows by some columns, so memory follows M and P, never M times N.
    """
    first_x, num_x = _inside(points.columns, gt_boxes[:, 0], gt_boxes[:, 2])  # [M, L]
    first_y, num_y = _inside(points.rows, gt_boxes[:, 1], gt_boxes[:, 3])
    width = torch.tensor([width for _, width in points.sizes], device=gt_boxes.device)
    cells = torch.tensor([height * width for height, width in points.sizes], device=gt_boxes.device)
    first = (cells.cumsum(0) - cells) + first_y * width + first_x  # [M, L], the first point inside
    num_levels, count = len(points.sizes), (num_x * num_y).flatten()
    block = torch.arange(len(count), device=count.device).repeat_interleave(count)  # [P], a level of a box
    place = torch.arange(len(block), device=count.device) - (count.cumsum(0) - count)[block]
    row_length = num_x.flatten()[block]
    row = place // row_length
    level = block % num_levels
    return block // num_levels, first.flatten()[block] + row * width[level] + place - row * row_length


def _inside(axes: tuple[Tensor, ...], low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Of each level's axis [W], ascending, the first entry inside (low, high) [M] and how many are -> [M, L] both."""
    sizes, axis = [len(axis) for axis in axes], torch.cat(axes)
    before = axis - low[:, None] <= INSIDE_MARGIN  # [M, all axes]
    inside = (high[:, None] - axis > INSIDE_MARGIN).logical_and_(before.logical_not())
    first, num = (torch.stack([level.sum(dim=1) for level in each.split(sizes, 1)], dim=1) for each in (before, inside))
    return first, num


def chosen_rows(boxes: Tensor, index: Tensor) -> Tensor:
    """boxes[index], [P, 4], column by column in memory, which is faster to make and to compute with."""
    return boxes.t().index_select(1, index).t()


def focal_negative(logits: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss (Lin et al. 2017) of logits taken as negatives, element by element."""
    return (1 - alpha) * logits.sigmoid() ** gamma * _softplus(logits)


def focal_positive(logits: Tensor, alpha: float, gamma: float) -> Tensor:
    """The same, taken as positives."""
    return alpha * (-logits).sigmoid() ** gamma * _softplus(-logits)


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) but for rounding. torch's own calls `log1p`, which takes ten times as long as `log` on a CPU."""
    return torch.maximum(x, -(-x).sigmoid().clamp(min=torch.finfo(x.dtype).tiny).log())


def classification_loss(
    logits: Tensor, point_index: Tensor, gt_labels: Tensor, focal_alpha: float, focal_gamma: float
) -> Tensor:
    """L_cls of eq. (2): focal loss summed over the classes, the box's class as one-hot target -> [P].

    logits: [N, C]; point_index, gt_labels: [P]. The sum over C is taken once per point, not once per pair:
    a pair then differs from 'all classes negative' in its own class alone.
    """
    listed = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    listed[point_index] = True
    points, pair_of = listed.nonzero().squeeze(1), (listed.cumsum(0) - 1)[point_index]  # without sorting the pairs
    negative = focal_negative(logits[points].float(), focal_alpha, focal_gamma)  # [points, C]
    own = logits[point_index, gt_labels].float()  # [P]
    own_positive = focal_positive(own, focal_alpha, focal_gamma)
    return negative.sum(dim=1)[pair_of] + own_positive - focal_negative(own, focal_alpha, focal_gamma)


def regression_loss(boxes: Tensor, gt_boxes: Tensor) -> Tensor:
    """L_reg of eq. (2): -log((I + 1) / (U + 1)) of boxes [P, 4] with gt_boxes [P, 4], pixels -> [P]."""
    boxes = boxes.float().clamp(-LARGEST_COORDINATE, LARGEST_COORDINATE)
    gt_boxes = gt_boxes.float().clamp(-LARGEST_COORDINATE, LARGEST_COORDINATE)
    top_left = torch.maximum(boxes[:, :2], gt_boxes[:, :2])
    bottom_right = torch.minimum(boxes[:, 2:], gt_boxes[:, 2:])
    intersection = (bottom_right - top_left).clamp(min=0).prod(dim=1)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1)
    gt_area = (gt_boxes[:, 2:] - gt_boxes[:, :2]).clamp(min=0).prod(dim=1)
    # Rounding can leave the union of two equal boxes below their intersection: a loss is never negative.
    union = torch.maximum(area + gt_area - intersection, intersection)
    return (union + 1).log() - (intersection + 1).log()


def joint_loss(
    logits: Tensor,
    boxes: Tensor,
    point_index: Tensor,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    alpha: float,
    focal_alpha: float = 0.25,
    focal_gamma: float = 2.0,
) -> Tensor:
    """L_u = L_cls + alpha * L_reg, eq. (2), of P pairs whose point lies inside the box -> float32 [P].

    logits: [N, C], boxes: [N, 4] xyxy pixels, what is predicted at N points. point_index: [P] into N.
    gt_boxes: [P, 4], gt_labels: [P], the ground truth of each pair. Pairs outside, whose loss is infinite,
    are simply not listed. Computed in float32 whatever the input; a NaN counts as the largest loss.
    """
    loss_cls = classification_loss(logits, point_index, gt_labels, focal_alpha, focal_gamma)
    loss_reg = regression_loss(chosen_rows(boxes, point_index), gt_boxes)
    loss = loss_cls + alpha * loss_reg
    return loss.nan_to_num(nan=torch.finfo(loss.dtype).max).clamp(min=0)
