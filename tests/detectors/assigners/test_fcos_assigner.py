"""FCOS's assigner against plain loops; the choice of an assigner by its options."""

import math

import pytest
import torch
from tests.detectors.assigners.assigner_references import fcos_image
from tests.detectors.assigners.assigner_scenes import make_case, make_grid, make_targets, rows_of

from triplehead.detectors.assigners import FCOSAssigner, JLAAssigner, build_assigner
from triplehead.detectors.boxes import make_points
from triplehead.plan import options as plan


def assign(boxes: list[list[float]], points=None, **options) -> torch.Tensor:
    options = plan.FCOSAssigner(**{"boundaries": (16.0, 32.0), **options})
    target = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.zeros(len(boxes)),
    }
    return FCOSAssigner(options)(None, points or make_grid(), [target], 0.0)[0]


@pytest.mark.parametrize("center_radius", [None, 0.5, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_loops(center_radius, seed):
    points, targets = make_grid(), make_targets(seed, (6, 0, 12, 1))
    options = plan.FCOSAssigner(boundaries=(12.0, 24.0), center_radius=center_radius)
    matched_gt = FCOSAssigner(options)(None, points, targets, 0.0)
    arguments = (points.xy.tolist(), points.stride.tolist(), points.level.tolist())
    for b, target in enumerate(targets):
        assert matched_gt[b].tolist() == fcos_image(*arguments, rows_of(target), options.boundaries, center_radius)
    assert (matched_gt >= 0).any() and matched_gt.min() == -1


def test_levels_by_hand():
    """A box of side 22: its middle is at most 16 from every side, its rim up to 22; nothing fits level 2."""
    points = make_grid()
    matched = assign([[4.0, 4, 26, 26]])
    positive = matched.ge(0).nonzero().flatten()
    reach = torch.cat([points.xy - 4, 26 - points.xy], dim=1)[positive].amax(dim=1)
    assert set(points.level[positive].tolist()) == {0, 1}
    assert (reach[points.level[positive] == 0] <= 16).all()
    assert (reach[points.level[positive] == 1] >= 16).all()


def test_a_size_on_the_boundary_belongs_to_both_levels():
    """Two levels with the same points: max(l, t, r, b) is exactly 16 at (24, 24)."""
    points = make_points([(4, 4), (4, 4)], [16, 16])
    matched = assign([[8.0, 8, 40, 40]], points, boundaries=(16.0,))
    at_24 = (points.xy == 24).all(dim=1)
    assert matched[at_24].tolist() == [0, 0]


def test_points_on_the_border_are_outside():
    points = make_points([(4, 4)], [16])  # at 8, 24, 40, 56
    assert assign([[8.0, 8, 40, 40]], points, boundaries=()).ge(0).sum() == 1


def test_smallest_area_wins_and_ties_go_to_the_first_by_coordinates():
    points = make_points([(4, 4)], [16])
    inner, outer = [16.0, 16, 32, 32], [0.0, 0, 64, 64]
    at_24 = (points.xy == 24).all(dim=1)
    matched = assign([outer, inner], points, boundaries=())
    assert matched[at_24].tolist() == [1] and (matched[~at_24] == 0).all()
    assert assign([outer, inner, inner], points, boundaries=())[at_24].tolist() == [1]
    wide, high = [8.0, 16, 56, 32], [16.0, 8, 32, 56]  # same area, both hold (24, 24)
    assert assign([wide, high], points, boundaries=())[at_24].tolist() == [0]
    assert assign([high, wide], points, boundaries=())[at_24].tolist() == [1]


def test_center_radius_stays_inside_the_box():
    """A box narrower than its centre square gains no points outside."""
    box = [30.5, 0.0, 37.5, 64.0]
    points = make_grid()
    for n in assign([box], center_radius=3.0, boundaries=(16.0, 32.0)).ge(0).nonzero().flatten():
        assert box[0] < points.xy[n, 0] < box[2]


@pytest.mark.parametrize("boxes", [[], [[20.1, 20.1, 20.9, 20.9]], [[5.0, 5, 5, 5]]])
@pytest.mark.parametrize("center_radius", [None, 1.5])
def test_nothing_to_learn(boxes, center_radius):
    assert (assign(boxes, center_radius=center_radius) == -1).all()


def test_huge_box():
    matched = assign([[-1e30, -1e30, 1e30, 1e30], [20.0, 20, 30, 30]])
    level = make_grid().level
    assert (matched[level == 2] == 0).all() and set(matched[level == 0].tolist()) == {-1, 1}


def test_order_of_boxes_does_not_matter():
    points, targets = make_grid(), make_targets(5, (10,))
    assigner = FCOSAssigner(plan.FCOSAssigner(boundaries=(16.0, 32.0)))
    matched = assigner(None, points, targets, 0.0)[0]
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    again = assigner(None, points, [{key: value[order] for key, value in targets[0].items()}], 0.0)[0]
    assert torch.equal(torch.where(again >= 0, order[again], again), matched)


def test_default_boundaries_make_five_levels():
    points = make_points([(2, 2)] * 5, [8, 16, 32, 64, 128])
    limits = FCOSAssigner(plan.FCOSAssigner()).prepare(points)[::4].tolist()
    assert limits == [[-1, 64], [64, 128], [128, 256], [256, 512], [512, math.inf]]


def test_levels_that_do_not_fit():
    with pytest.raises(ValueError, match="make 5 levels, but the feature pyramid has 3"):
        assign([[0.0, 0, 10, 10]], boundaries=(64.0, 128.0, 256.0, 512.0))


def test_build_assigner():
    loss = plan.Loss(focal_alpha=0.4, focal_gamma=1.5)
    assert isinstance(build_assigner(plan.FCOSAssigner(), loss), FCOSAssigner)
    jla = build_assigner(plan.JLA(k=25), loss)
    assert isinstance(jla, JLAAssigner)
    assert (jla.focal_alpha, jla.focal_gamma, jla.options.k) == (0.4, 1.5, 25)
    with pytest.raises(TypeError, match="got FCOSHead"):
        build_assigner(plan.FCOSHead(), loss)


def test_focal_settings_reach_the_joint_loss():
    predictions, points, targets = make_case(0)
    matched = [
        build_assigner(plan.JLA(alpha=0.1), plan.Loss(focal_alpha=alpha))(predictions, points, targets, 0.9)
        for alpha in (0.05, 0.95)
    ]
    assert not torch.equal(*matched)
