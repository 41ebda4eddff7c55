"""Assigners and losses on boxes of any kind: finite, and indifferent to the order of boxes and of images."""

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.detectors.assigners.assigner_scenes import NUM_CLASSES, SIZE, make_predictions

from triplehead.detectors.assigners import build_assigner
from triplehead.detectors.border_losses import border_losses
from triplehead.detectors.boxes import Points, Predictions, make_points
from triplehead.detectors.losses import dense_losses
from triplehead.plan.options import ATSS, JLA, Loss, MaxIoU
from triplehead.plan.plan import load_plan

PLAN = load_plan({"scale": "smoke"})
ASSIGNERS = {
    "fcos": PLAN.specs["table5", "Baseline"][0].detector.assigner,
    "jla": PLAN.specs["table5", "JLA"][0].detector.assigner,
    "any jla": None,  # drawn
    "atss": ATSS(),
    "max_iou": MaxIoU(),
}
SHARE = st.sampled_from([0.0, 0.3, 0.5, 1.0])
DRAWN = st.builds(
    JLA, k=st.integers(1, 90), theta=SHARE, alpha=st.sampled_from([0.1, 1.0, 4.0]), switch_at=SHARE,
    **{name: st.sampled_from(get_args(JLA.model_fields[name].annotation)) for name in ("fallback", "resolve", "boundary", "joint_box")},
)  # fmt: skip
GRIDS = {"one point": ([(1, 1)], [SIZE]), "three levels": ([(8, 8), (4, 4), (2, 2)], [8, 16, 32])}
# Quarters of a pixel, inside, across the border, outside, and far away.
COORDINATE = st.one_of(st.integers(-20, 4 * SIZE + 20).map(lambda n: n / 4), st.sampled_from([-1e5, 1e5, 1e7]))
BOX = st.tuples(COORDINATE, COORDINATE, st.sampled_from([0.25, 3, 17, 64, 1e4]), st.sampled_from([0.25, 5, 20, 1e4]))


def points_of(grid: str) -> Points:
    return make_points(*GRIDS[grid])


def targets_of(images) -> list[dict[str, torch.Tensor]]:
    made = []
    for rows in images:
        boxes = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in rows], dtype=torch.float32).reshape(-1, 4)
        made.append({"boxes": boxes, "labels": torch.arange(len(rows)) % NUM_CLASSES})
    return made


@pytest.mark.parametrize("name", ASSIGNERS)
@pytest.mark.parametrize("grid", GRIDS)
@given(images=st.lists(st.lists(BOX, max_size=4), min_size=1, max_size=3), seed=st.integers(0, 99), box=st.sampled_from(["iou", "giou"]), drawn=DRAWN)  # fmt: skip
def test_losses_and_gradients_are_finite(name, grid, images, seed, box, drawn):
    points, targets = points_of(grid), targets_of(images)
    options = Loss(box=box)
    made = make_predictions(points, targets, seed)
    logits, boxes, coarse = (each.clone().requires_grad_() for each in (made.logits, made.boxes, made.coarse_boxes))
    quality = torch.zeros(logits.shape[:2], requires_grad=True)
    predictions = Predictions(logits, boxes=boxes, coarse_boxes=coarse, quality=quality)
    chosen = ASSIGNERS[name] or drawn
    if name == "fcos" and grid == "one point":  # a level for each range of sizes
        chosen = chosen.model_copy(update={"boundaries": ()})
    matched = build_assigner(chosen, options)(predictions, points, targets, 0.5)
    assert matched.shape == logits.shape[:2]
    for row, target in zip(matched, targets, strict=True):
        assert row.min() >= -2 and row.max() < max(1, len(target["boxes"]))
    losses = dense_losses(predictions, points, targets, matched, options, "iou", True)
    assert all(torch.isfinite(value) for value in losses.values()), losses
    sum(losses.values()).backward()
    assert all(each.grad is None or torch.isfinite(each.grad).all() for each in (logits, boxes, coarse, quality))


@pytest.mark.parametrize("name", ASSIGNERS)
@given(images=st.lists(st.lists(BOX, max_size=4), min_size=2, max_size=3), seed=st.integers(0, 99), drawn=DRAWN)
def test_the_order_of_images_changes_nothing(name, images, seed, drawn):
    points, targets = points_of("three levels"), targets_of(images)
    made = make_predictions(points, targets, seed)
    assign = build_assigner(ASSIGNERS[name] or drawn, Loss())
    matched = assign(made, points, targets, 0.5)
    turned = Predictions(made.logits.flip(0), boxes=made.boxes.flip(0), coarse_boxes=made.coarse_boxes.flip(0))
    moved = assign(turned, points, targets[::-1], 0.5)
    assert torch.equal(moved.flip(0), matched)
    for quality in ("iou", "centerness"):
        losses, again = (
            dense_losses(
                Predictions(each.logits, each.boxes, each.coarse_boxes, each.logits[..., 0]),
                points,
                gt,
                found,
                Loss(),
                quality,
                True,
            )
            for each, gt, found in ((made, targets, matched), (turned, targets[::-1], moved))
        )
        assert_close(losses, again)


def border(made, targets) -> dict[str, torch.Tensor]:
    deltas = made.boxes / SIZE
    predictions = Predictions(
        made.logits, made.boxes, made.coarse_boxes, border_logits=made.logits, border_deltas=deltas
    )
    return border_losses(predictions, targets, Loss(), 0.3)


@given(images=st.lists(st.lists(BOX, max_size=4), min_size=2, max_size=3), seed=st.integers(0, 99))
def test_the_order_of_images_changes_no_border_loss(images, seed):
    points, targets = points_of("three levels"), targets_of(images)
    made = make_predictions(points, targets, seed)
    turned = Predictions(made.logits.flip(0), boxes=made.boxes.flip(0), coarse_boxes=made.coarse_boxes.flip(0))
    losses, again = border(made, targets), border(turned, targets[::-1])
    assert all(torch.isfinite(value) for value in losses.values()), losses
    assert_close(losses, again)


def assert_close(losses, again) -> None:
    """Up to the order of sums, none of which has a negative term."""
    assert losses.keys() == again.keys()
    for key, value in losses.items():
        torch.testing.assert_close(again[key], value, rtol=1e-4, atol=1e-6, msg=key)


# Multiples of 8 and few sizes: equal areas, equal overlaps, equal centres, equal boxes of two classes.
STEP = st.integers(1, 4).map(lambda n: 8.0 * n)
TIED = st.tuples(STEP, STEP, st.sampled_from([16, 32]), st.sampled_from([16, 32]))
ROWS = st.one_of(
    st.lists(st.tuples(box, st.integers(0, 1)), min_size=2, max_size=8, unique=True) for box in (TIED, BOX)
)


@pytest.mark.parametrize("progress", [0.1, 0.9])
@pytest.mark.parametrize("name", ASSIGNERS)
@given(rows=ROWS, seed=st.integers(0, 99), drawn=DRAWN)
def test_the_order_of_boxes_changes_nothing(name, progress, rows, seed, drawn):
    """Turned round, so that each two change places. Of two that are the same, class and all, either may be learnt."""
    points, targets = points_of("three levels"), targets_of([[box for box, _ in rows]])
    targets[0]["labels"] = torch.tensor([label for _, label in rows])
    turned = [{key: value.flip(0) for key, value in targets[0].items()}]
    made = make_predictions(points, targets, seed)
    made = Predictions(made.logits, made.boxes, made.coarse_boxes, quality=torch.zeros(made.logits.shape[:2]))
    assign = build_assigner(ASSIGNERS[name] or drawn, Loss())
    matched, moved = assign(made, points, targets, progress), assign(made, points, turned, progress)
    assert torch.equal(torch.where(moved >= 0, len(rows) - 1 - moved, moved), matched)
    losses = dense_losses(made, points, targets, matched, Loss(), "iou", True)
    again = dense_losses(made, points, turned, moved, Loss(), "iou", True)
    assert all(torch.equal(losses[key], again[key]) for key in losses)


@given(rows=ROWS, seed=st.integers(0, 99))
def test_the_order_of_boxes_changes_no_border_loss(rows, seed):
    points, targets = points_of("three levels"), targets_of([[box for box, _ in rows]])
    targets[0]["labels"] = torch.tensor([label for _, label in rows])
    made = make_predictions(points, targets, seed)
    losses = border(made, targets)
    again = border(made, [{key: value.flip(0) for key, value in targets[0].items()}])
    assert all(torch.equal(losses[key], again[key]) for key in losses)
