"""Overlaps of boxes in numpy: boxes are float64 [N, 4] xyxy, continuous edges in pixels."""

import numpy as np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas [N]."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def overlaps(boxes: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None = None) -> np.ndarray:
    """IoU of each box with each true one: [N, M]; 0 where nothing is shared.

    In the columns that `ignore` [M] marks, the intersection over the area of the box alone (IoF): such a true box
    stands for any part of itself.
    """
    corner = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], truth[None, :, 2:]) - corner, 0)
    shared = sides[..., 0] * sides[..., 1]  # [N, M]
    own, total = areas(boxes)[:, None], areas(boxes)[:, None] + areas(truth)[None] - shared
    whole = total if ignore is None else np.where(ignore[None], own, total)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)


def covered(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Share [N] of each box's area that lies in the union of `regions` [R, 4]; 0 for a box without an area.

    Exact, without a mask of pixels: the regions' edges cut the plane into cells, and the covered area left of and
    above a point is bilinear within a cell. Without rounding where all edges are whole numbers.
    """
    regions = regions[(regions[:, 2:] > regions[:, :2]).all(axis=1)]
    if not len(boxes) or not len(regions):
        return np.zeros(len(boxes))
    xs, ys = np.unique(regions[:, 0::2]), np.unique(regions[:, 1::2])
    inside = np.zeros((len(ys) - 1, len(xs) - 1), dtype=bool)
    for x1, y1, x2, y2 in regions:
        rows, columns = (np.searchsorted(edges, ends) for edges, ends in ((ys, (y1, y2)), (xs, (x1, x2))))
        inside[slice(*rows), slice(*columns)] = True
    total = np.zeros((len(ys), len(xs)))  # covered area left of and above each crossing
    total[1:, 1:] = (inside * np.diff(ys)[:, None] * np.diff(xs)).cumsum(axis=0).cumsum(axis=1)

    def before(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = np.clip(x, xs[0], xs[-1]), np.clip(y, ys[0], ys[-1])
        column = np.minimum(np.searchsorted(xs, x, side="right") - 1, len(xs) - 2)
        row = np.minimum(np.searchsorted(ys, y, side="right") - 1, len(ys) - 2)
        dx, dy = x - xs[column], y - ys[row]
        height = (total[row, column + 1] - total[row, column]) / (xs[column + 1] - xs[column])
        width = (total[row + 1, column] - total[row, column]) / (ys[row + 1] - ys[row])
        return total[row, column] + dx * height + dy * width + dx * dy * inside[row, column]

    x1, y1, x2, y2 = boxes.T
    shared = before(x2, y2) - before(x1, y2) - before(x2, y1) + before(x1, y1)
    own = areas(boxes)
    return np.divide(shared, own, out=np.zeros_like(own), where=own > 0)
