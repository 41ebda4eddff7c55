"""Overlaps against one box at a time, and covered shares against counted pixels."""

import numpy as np
import pytest

from triplehead.data.overlaps import covered, overlaps


def boxes(*rows) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def test_iou_and_iof_by_hand():
    one, other = boxes([0, 0, 10, 10]), boxes([5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 40, 10])
    assert overlaps(one, other).tolist() == [[50 / 150, 0, 100 / 400]]
    # an ignored box stands for any part of itself
    assert overlaps(one, other, np.array([True, True, True])).tolist() == [[0.5, 0, 1]]
    assert overlaps(one, other, np.array([False, False, True])).tolist() == [[50 / 150, 0, 1]]


def test_boxes_without_an_area_share_nothing():
    flat = boxes([2, 2, 2, 8])
    assert overlaps(flat, flat).tolist() == [[0]]
    assert overlaps(boxes(), flat).shape == (0, 1) and overlaps(flat, boxes()).shape == (1, 0)


@pytest.mark.parametrize("seed", range(20))
def test_covered_share_is_that_of_counted_pixels(seed):
    generator = np.random.default_rng(seed)
    corners = generator.integers(0, 40, (12, 2, 2))
    some = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(float)
    regions, queries = some[: seed % 6], some[6:]
    mask = np.zeros((40, 40), dtype=bool)
    for x1, y1, x2, y2 in regions.astype(int):
        mask[y1:y2, x1:x2] = True
    expected = []
    for x1, y1, x2, y2 in queries.astype(int):
        area = (x2 - x1) * (y2 - y1)
        expected.append(mask[y1:y2, x1:x2].sum() / area if area else 0)
    assert covered(queries, regions).tolist() == expected  # no rounding: whole edges


def test_covered_share_between_pixels():
    regions = boxes([0, 0, 10, 10], [5, 0, 20, 10])  # they overlap: their union is 20 wide
    assert covered(boxes([17.5, 2.5, 22.5, 7.5]), regions) == pytest.approx([0.5])
    assert covered(boxes([-5, -5, 5, 5]), regions) == pytest.approx([0.25])
    assert covered(boxes([3.25, 1.5, 18.75, 9.25]), regions) == pytest.approx([1])
