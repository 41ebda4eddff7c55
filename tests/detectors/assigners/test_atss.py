"""ATSS against plain loops and by hand."""

import pytest
import torch
from tests.detectors.assigners.assigner_references import atss_image
from tests.detectors.assigners.assigner_scenes import make_grid, make_targets, rows_of

from triplehead.detectors.assigners import ATSSAssigner
from triplehead.detectors.boxes import make_points
from triplehead.plan import options as plan


def assign(boxes: list[list[float]], points=None, **options) -> torch.Tensor:
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    target = {"boxes": boxes, "labels": torch.zeros(len(boxes))}
    return ATSSAssigner(plan.ATSS(**options))(None, points or make_grid(), [target], 0.0)[0]


def row(cells: int):
    """Points at x = 4, 12, 20, ... whose anchors of one stride lie side by side."""
    return make_points([(1, cells)], [8])


def equals_the_loops(points, targets, **options) -> torch.Tensor:
    options = plan.ATSS(**options)
    matched = ATSSAssigner(options)(None, points, targets, 0.0)
    arguments = (points.xy.tolist(), points.stride.tolist(), points.level.tolist())
    for found, target in zip(matched, targets, strict=True):
        assert found.tolist() == atss_image(*arguments, rows_of(target), options.top_k, options.anchor_scale)
    return matched


@pytest.mark.parametrize("top_k", [1, 4, 9, 30])  # the coarsest level has 16 points
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_loops(top_k, seed):
    targets = make_targets(seed, (6, 0, 12, 1))
    matched = equals_the_loops(make_grid(), targets, top_k=top_k, anchor_scale=4.0)
    assert (matched >= 0).any() and matched.min() == -1


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_loops_where_distances_tie(seed):
    """Whole coordinates: many boxes have equally near points, some are equal."""
    targets = make_targets(seed, (8, 3))
    for target in targets:
        target["boxes"] = target["boxes"].round()
        target["boxes"][1] = target["boxes"][0]
    equals_the_loops(make_grid(), targets)


def test_equals_the_loops_with_more_boxes_than_points():
    (target,) = make_targets(0, (50,))
    matched = equals_the_loops(make_points([(4, 4), (2, 2), (1, 1)], [16, 32, 64]), [target], anchor_scale=1.0)
    assert (matched >= 0).any()


def test_threshold_by_hand():
    """The box overlaps the anchors of the first two points by 0.5 and 0.476, others not at all.

    Of four candidates mean and deviation are 0.244 and 0.282 (0.244 were it biased): none reaches 0.526. Of five
    they are 0.195 and 0.267: both exceed 0.463.
    """
    box = [0.25, 0.0, 15.5, 8.0]
    assert assign([box], row(4), anchor_scale=1.0).tolist() == [-1, -1, -1, -1]
    assert assign([box], row(5), anchor_scale=1.0).tolist() == [0, 0, -1, -1, -1]
    # The fifth point is no candidate of four.
    assert assign([box], row(5), anchor_scale=1.0, top_k=4).tolist() == [-1] * 5


def test_a_positive_lies_in_its_box():
    """An anchor may overlap a box well although its point is outside, or within 0.01 pixels of the border."""
    points = row(9)
    assert assign([[4.0, 0.0, 12.0, 8.0]], points, anchor_scale=1.0, top_k=9).max() == -1
    inside = assign([[3.5, 0.0, 11.5, 8.0]], points, anchor_scale=1.0, top_k=9)
    assert inside.tolist() == [0] + [-1] * 8
    barely = assign([[3.995, 0.0, 11.995, 8.0]], points, anchor_scale=1.0, top_k=9)
    assert barely.max() == -1


def test_the_higher_overlap_wins_and_ties_go_to_the_first_by_coordinates():
    points = row(9)
    at_third = [16.0, 0.0, 24.0, 8.0]
    near = [15.0, 0.0, 24.0, 8.0]
    for boxes, winner in (([near, at_third], 1), ([at_third, near], 0), ([at_third, at_third], 0)):
        assert assign(boxes, points, anchor_scale=1.0)[2] == winner
    left, right = [15.0, 0.0, 24.0, 8.0], [16.0, 0.0, 25.0, 8.0]
    assert assign([left, right], points, anchor_scale=1.0)[2] == 0
    assert assign([right, left], points, anchor_scale=1.0)[2] == 1


def test_one_candidate_needs_no_deviation():
    assert assign([[0.0, 0, 60, 60]], make_points([(1, 1)], [64])).tolist() == [0]


@pytest.mark.parametrize("boxes", [[], [[20.1, 20.1, 20.9, 20.9]], [[5.0, 5, 5, 5]]])
def test_nothing_to_learn(boxes):
    assert (assign(boxes) == -1).all()


def test_order_of_boxes_does_not_matter():
    points, targets = make_grid(), make_targets(5, (10,))
    assigner = ATSSAssigner(plan.ATSS(anchor_scale=4.0))
    matched = assigner(None, points, targets, 0.0)[0]
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    again = assigner(None, points, [{key: value[order] for key, value in targets[0].items()}], 0.0)[0]
    assert torch.equal(torch.where(again >= 0, order[again], again), matched)
