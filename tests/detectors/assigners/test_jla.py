"""The whole JLA assigner against plain loops, and what must hold whatever the input."""

import math
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product

import pytest
import torch
from tests.detectors.assigners.assigner_references import jla_image, joint_losses
from tests.detectors.assigners.assigner_scenes import make_case, make_grid, make_predictions, make_targets

from triplehead.detectors.assigners import JLAAssigner
from triplehead.detectors.boxes import Predictions
from triplehead.plan.options import JLA

EARLY, LATE = 0.1, 0.9
SEEDS = (0, 1, 2, 3)


@cache
def losses_by_hand(seed: int, joint_box: str, alpha: float) -> list[dict]:
    predictions, points, targets = make_case(seed)
    boxes = predictions.boxes if joint_box == "final" else predictions.coarse_boxes
    return [
        joint_losses(
            predictions.logits[b].tolist(),
            boxes[b].tolist(),
            points.xy.tolist(),
            target["boxes"].tolist(),
            target["labels"].tolist(),
            alpha,
        )
        for b, target in enumerate(targets)
    ]


def check(seed: int, options: JLA, progress: float) -> dict[str, int]:
    """Compare with the loops -> how many ambiguous and undecided points the loops met."""
    predictions, points, targets = make_case(seed)
    matched_gt = JLAAssigner(options)(predictions, points, targets, progress)
    assert matched_gt.dtype == torch.int64 and matched_gt.shape == predictions.logits.shape[:2]
    met = {"ambiguous": 0, "undecided": 0, "three": 0}
    for b, losses in enumerate(losses_by_hand(seed, options.joint_box, options.alpha)):
        expected, counts = jla_image(losses, len(points.xy), options, progress)
        assert matched_gt[b].tolist() == expected, f"image {b}"
        met = {key: met[key] + counts[key] for key in met}
    return met


@pytest.mark.parametrize(
    ("resolve", "boundary", "progress", "fallback"),
    list(
        product(
            ("after", "before"),
            ("cluster", "densest"),
            (EARLY, LATE),
            ("ignore", "background", "max_weight"),
        )
    ),
)
def test_equals_the_loops(resolve, boundary, progress, fallback):
    options = JLA(k=25, resolve=resolve, boundary=boundary, fallback=fallback)
    met = Counter()
    for seed in SEEDS:
        met.update(check(seed, options, progress))
    # The case is worth its name only if it holds what it is about.
    assert met["ambiguous"] > 20 and met["three"] > 0
    assert (met["undecided"] > 0) == (progress == EARLY and fallback != "max_weight")


@pytest.mark.parametrize(
    "change",
    [
        {"k": 1},
        {"k": 9},
        {"k": 35, "k_share": 0.2},
        {"k": 500},
        {"theta": 0.0},
        {"theta": 0.5},
        {"theta": 0.8},
        {"alpha": 2.5},
        {"joint_box": "final"},
        {"joint_box": "final", "resolve": "before", "theta": 0.7},
        {"switch_at": 0.0},
        {"switch_at": 1.0},
    ],
)
def test_other_settings_equal_the_loops(change):
    check(0, JLA(**change), progress=0.5)


def test_switches_at_its_share_of_training():
    predictions, points, targets = make_case(0)
    assigner = JLAAssigner(JLA(switch_at=0.5))
    early, before, at, late = (assigner(predictions, points, targets, p) for p in (0.0, 0.499, 0.5, 1.0))
    assert torch.equal(early, before) and torch.equal(at, late)
    assert (early == -2).any() and not (late == -2).any()


@pytest.mark.parametrize("resolve", ["after", "before"])
def test_theta_zero_is_the_smallest_loss(resolve):
    predictions, points, targets = make_case(0)
    below = JLAAssigner(JLA(theta=0.0, resolve=resolve))(predictions, points, targets, EARLY)
    late = JLAAssigner(JLA(theta=0.6, resolve=resolve))(predictions, points, targets, LATE)
    assert torch.equal(below, late)


@pytest.mark.parametrize("resolve", ["after", "before"])
def test_largest_weight_is_the_smallest_loss(resolve):
    """The paper's own fallback makes theta a no-op: weights fall as losses rise."""
    predictions, points, targets = make_case(1)
    fallback = JLA(theta=0.8, fallback="max_weight", resolve=resolve)
    ours = JLAAssigner(fallback)(predictions, points, targets, EARLY)
    assert torch.equal(ours, JLAAssigner(JLA(theta=0.0, resolve=resolve))(predictions, points, targets, EARLY))


@pytest.mark.parametrize("resolve", ["after", "before"])
def test_order_of_boxes_and_images_does_not_matter(resolve):
    predictions, points, targets = make_case(2)
    assigner = JLAAssigner(JLA(resolve=resolve))
    matched_gt = assigner(predictions, points, targets, EARLY)

    g = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(target["boxes"]), generator=g) for target in targets]
    shuffled = [
        {key: value[order] for key, value in target.items()} for target, order in zip(targets, orders, strict=True)
    ]
    again = assigner(predictions, points, shuffled, EARLY)
    for b, order in enumerate(orders):
        assert torch.equal(
            torch.where(again[b] >= 0, order[again[b]], again[b]) if len(order) else again[b], matched_gt[b]
        )

    images = torch.tensor([2, 0, 3, 1])
    turned = Predictions(predictions.logits[images], predictions.boxes[images], predictions.coarse_boxes[images])
    again = assigner(turned, points, [targets[b] for b in images], EARLY)
    assert torch.equal(again, matched_gt[images])


@pytest.mark.parametrize("resolve", ["after", "before"])
def test_images_do_not_influence_each_other(resolve):
    predictions, points, targets = make_case(3)
    assigner = JLAAssigner(JLA(resolve=resolve))
    matched_gt = assigner(predictions, points, targets, EARLY)
    for b, target in enumerate(targets):
        parts = (predictions.logits, predictions.boxes, predictions.coarse_boxes)
        one = Predictions(*(part[b : b + 1] for part in parts))
        assert torch.equal(assigner(one, points, [target], EARLY)[0], matched_gt[b])


def test_positives_lie_inside_their_box_and_number_at_most_k():
    predictions, points, targets = make_case(4)
    matched_gt = JLAAssigner(JLA(k=7))(predictions, points, targets, LATE)
    for b, target in enumerate(targets):
        for n in (matched_gt[b] >= 0).nonzero().flatten():
            x1, y1, x2, y2 = target["boxes"][matched_gt[b, n]]
            x, y = points.xy[n]
            assert x1 < x < x2 and y1 < y < y2
        assert matched_gt[b].clamp(min=-1).add(1).bincount()[1:].le(7).all()


@pytest.mark.parametrize("boundary", ["cluster", "densest"])
def test_k_beyond_the_points_of_an_image_changes_nothing_and_costs_nothing(boundary):
    """That many columns would not fit any memory."""
    predictions, points, targets = make_case(0)
    everything, beyond = (
        JLAAssigner(JLA(k=k, boundary=boundary))(predictions, points, targets, EARLY) for k in (len(points.xy), 10**30)
    )
    assert torch.equal(everything, beyond) and (beyond >= 0).any()


@pytest.mark.parametrize("boxes_per_image", [(0,), (0, 0, 0), (5, 0), (0, 1)])
@pytest.mark.parametrize("resolve", ["after", "before"])
def test_images_without_boxes(boxes_per_image, resolve):
    points, targets = make_grid(), make_targets(0, boxes_per_image)
    matched_gt = JLAAssigner(JLA(resolve=resolve))(make_predictions(points, targets, 0), points, targets, EARLY)
    for b, count in enumerate(boxes_per_image):
        assert (matched_gt[b] >= 0).any() == (count > 0)
        if not count:
            assert (matched_gt[b] == -1).all()


@pytest.mark.parametrize("resolve", ["after", "before"])
def test_box_without_a_point_inside(resolve):
    points = make_grid()
    targets = [{"boxes": torch.tensor([[20.1, 20.1, 20.9, 20.9]]), "labels": torch.tensor([0])}]
    matched_gt = JLAAssigner(JLA(resolve=resolve))(make_predictions(points, targets, 0), points, targets, EARLY)
    assert (matched_gt == -1).all()


@pytest.mark.parametrize("resolve", ["after", "before"])
@pytest.mark.parametrize("progress", [EARLY, LATE])
def test_more_boxes_than_points(resolve, progress):
    points = make_grid()
    targets = make_targets(0, (500,))
    predictions = make_predictions(points, targets, 0)
    matched_gt = JLAAssigner(JLA(resolve=resolve))(predictions, points, targets, progress)
    assert (matched_gt >= 0).any() and matched_gt.max() < 500 and matched_gt.min() >= -2


@pytest.mark.parametrize("value", [1e30, math.inf, math.nan])
def test_overflowing_predictions_still_give_positives(value):
    """Early on exp() can overflow; a box keeps learning from the points that did not."""
    predictions, points, targets = make_case(0)
    boxes = predictions.boxes.clone()
    boxes[:, ::2, 2:] = value
    matched_gt = JLAAssigner(JLA())(replace(predictions, boxes=boxes), points, targets, LATE)
    assert (matched_gt[0, 1::2] >= 0).any()
    matched_gt = JLAAssigner(JLA())(replace(predictions, boxes=torch.full_like(boxes, value)), points, targets, LATE)
    assert (matched_gt[0] >= 0).any()


def test_huge_ground_truth():
    points = make_grid()
    targets = [{"boxes": torch.tensor([[-1e9, -1e9, 1e9, 1e9], [8, 8, 30, 30]]), "labels": torch.tensor([0, 1])}]
    matched_gt = JLAAssigner(JLA())(make_predictions(points, targets, 0), points, targets, LATE)
    assert {0, 1} <= set(matched_gt.unique().tolist())


def test_takes_no_gradient():
    predictions, points, targets = make_case(0)
    predictions = Predictions(predictions.logits.requires_grad_(), predictions.boxes.requires_grad_())
    assert not JLAAssigner(JLA())(predictions, points, targets, EARLY).requires_grad
    assert predictions.logits.grad is None


def test_half_precision_predictions():
    predictions, points, targets = make_case(0)
    low = Predictions(predictions.logits.bfloat16(), predictions.boxes.bfloat16())
    lifted = Predictions(low.logits.float(), low.boxes.float())
    assigner = JLAAssigner(JLA())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = assigner(low, points, targets, EARLY)
    assert torch.equal(found, assigner(lifted, points, targets, EARLY))


def test_a_head_with_one_box_is_judged_by_it():
    predictions, points, targets = make_case(0)
    one_box = replace(predictions, coarse_boxes=None)
    found = JLAAssigner(JLA(joint_box="coarse"))(one_box, points, targets, EARLY)
    assert torch.equal(found, JLAAssigner(JLA(joint_box="final"))(predictions, points, targets, EARLY))
    assert not torch.equal(found, JLAAssigner(JLA(joint_box="coarse"))(predictions, points, targets, EARLY))
