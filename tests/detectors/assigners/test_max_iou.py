"""RetinaNet's assignment against plain loops, torchvision's Matcher, and by hand."""

import pytest
import torch
from pydantic import ValidationError
from tests.detectors.assigners.assigner_references import max_iou_image
from tests.detectors.assigners.assigner_scenes import SIZE, make_grid, make_targets, rows_of
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou

from triplehead.detectors.anchors import square_anchors
from triplehead.detectors.assigners import MaxIoUAssigner
from triplehead.detectors.boxes import boxes_to_ltrb, make_points
from triplehead.plan import options as plan


def assign(boxes: list[list[float]], points=None, **options) -> torch.Tensor:
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    target = {"boxes": boxes, "labels": torch.zeros(len(boxes))}
    return MaxIoUAssigner(plan.MaxIoU(**options))(None, points or make_grid(), [target], 0.0)[0]


def quarters(seed: int, counts: tuple[int, ...]):
    """Coordinates in quarters of a pixel: areas are exact, so overlaps that are equal are equal to the bit."""
    return [target | {"boxes": (target["boxes"] * 4).round() / 4} for target in make_targets(seed, counts)]


@pytest.mark.parametrize("low_quality", ["none", "inside", "all"])
@pytest.mark.parametrize("thresholds", [(0.5, 0.4), (0.7, 0.2), (0.3, 0.3)])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loops(low_quality, thresholds, seed):
    positive, negative = thresholds
    options = plan.MaxIoU(low_quality=low_quality, positive=positive, negative=negative)
    crowded = make_points([(4, 4), (2, 2), (1, 1)], [16, 32, 64])
    kinds = set()
    for points, counts in ((make_grid(), (6, 0, 12, 1)), (crowded, (50,))):
        targets = quarters(seed, counts)
        matched = MaxIoUAssigner(options)(None, points, targets, 0.0)
        for found, target in zip(matched, targets, strict=True):
            rows = rows_of(target)
            assert found.tolist() == max_iou_image(points.xy.tolist(), points.stride.tolist(), rows, options)
        kinds |= set(matched.clamp(max=0).unique().tolist())
    assert kinds == ({0, -1} if positive == negative else {0, -1, -2})


@pytest.mark.parametrize("low_quality", ["none", "all"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_torchvisions_matcher(low_quality, seed):
    points, (target,) = make_grid(), quarters(seed, (12,))
    iou = box_iou(target["boxes"].double(), square_anchors(points, 4.0).double())
    assert (iou.amax(dim=1) > 0).all()  # for a box without any overlap torchvision matches every anchor
    expected = Matcher(0.5, 0.4, allow_low_quality_matches=low_quality == "all")(iou)
    found = MaxIoUAssigner(plan.MaxIoU(low_quality=low_quality))(None, points, [target], 0.0)[0]
    assert torch.equal(found, expected)


def test_ties_go_to_the_first_by_coordinates():
    """Both lie whole in the anchor of (30, 30) and have the same area."""
    left, right = [22.0, 22, 34, 38], [26.0, 22, 38, 38]
    at_30 = (make_grid().xy == 30).all(dim=1)
    assert assign([left, right])[at_30].tolist() == [0] and assign([right, left])[at_30].tolist() == [1]


def around(point: tuple[int, int], points, matched) -> dict[tuple[float, float], int]:
    """What the finest level's points got, by their place relative to one of them, background left out."""
    found = {}
    for (x, y), level, m in zip(points.xy.tolist(), points.level.tolist(), matched.tolist(), strict=True):
        if level == 0 and m != -1:
            found[x - point[0], y - point[1]] = m
    return found


def test_thresholds_by_hand():
    """A box that equals an anchor of side 16 overlaps those one cell (4 pixels) away by 0.6, diagonally by 0.39."""
    points, box = make_grid(), [[22.0, 22, 38, 38]]  # about the point (30, 30)
    cross = {(4, 0), (-4, 0), (0, 4), (0, -4)}
    diagonal = {(4, 4), (-4, 4), (4, -4), (-4, -4)}
    assert around((30, 30), points, assign(box)) == dict.fromkeys({(0, 0), *cross}, 0)
    between = assign(box, positive=0.7, negative=0.5)
    assert around((30, 30), points, between) == {(0, 0): 0} | dict.fromkeys(cross, -2)
    between = assign(box, positive=0.6, negative=0.39)
    assert around((30, 30), points, between) == dict.fromkeys({(0, 0), *cross}, 0) | dict.fromkeys(diagonal, -2)


def test_low_quality_matches_by_hand():
    """A box of side 4 lies whole in nine anchors of side 16, which overlap it by 16/256, and in it one point."""
    points, box = make_grid(), [[29.5, 29.5, 33.5, 33.5]]
    nine = {(x, y): 0 for x in (-4, 0, 4) for y in (-4, 0, 4)}
    assert assign(box, low_quality="none").max() == -1
    assert around((30, 30), points, assign(box)) == {(0, 0): 0}
    assert around((30, 30), points, assign(box, low_quality="all")) == nine
    amid_four = around((30, 30), points, assign([[29.0, 29, 35, 35]]))
    assert amid_four == dict.fromkeys({(0, 0), (4, 0), (0, 4), (4, 4)}, 0)


def test_a_box_between_the_points_is_only_learnt_from_outside():
    box = [[4.5, 10.0, 5.5, 40.0]]  # points at x = 2, 6, 10, ...
    assert assign(box).max() == -1
    assert assign(box, low_quality="all").max() == 0


def test_a_low_quality_match_learns_the_box_that_it_overlaps_most():
    """Both small boxes lie in the same anchors; all go to the larger one, which no rule takes from it."""
    small, large = [29.0, 29, 32, 32], [28.0, 28, 33, 33]
    for order in ([small, large], [large, small]):
        matched = assign(order, low_quality="all")
        assert set(matched.unique().tolist()) == {-1, order.index(large)}


def test_from_half_on_the_point_is_in_the_box():
    """What lets heads that predict distances learn every match but the low-quality ones."""
    generator = torch.Generator().manual_seed(0)
    corner = SIZE * torch.rand(4000, 2, generator=generator) - 10
    boxes = torch.cat([corner, corner + 40 * torch.rand(4000, 2, generator=generator) ** 2 + 4], dim=1)
    points = make_grid()
    for chunk in boxes.split(5):  # few, so that each gets points
        matched = assign(chunk.tolist(), low_quality="none")
        positive = matched >= 0
        assert (boxes_to_ltrb(points.xy[positive], chunk[matched[positive]]) >= 0).all()


@pytest.mark.parametrize("low_quality", ["none", "inside", "all"])
@pytest.mark.parametrize("boxes", [[], [[500.0, 500, 520, 520]], [[5.0, 5, 5, 5]]])
def test_nothing_to_learn(boxes, low_quality):
    assert (assign(boxes, low_quality=low_quality) == -1).all()


def test_thresholds_in_the_wrong_order():
    with pytest.raises(ValidationError, match="negative must not exceed positive"):
        plan.MaxIoU(positive=0.3)
