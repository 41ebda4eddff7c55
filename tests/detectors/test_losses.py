"""Losses by hand and against torchvision."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from triplehead.detectors.boxes import Predictions, boxes_to_ltrb, centerness, ltrb_to_boxes, make_points, paired_iou
from triplehead.detectors.losses import dense_losses, iou_loss
from triplehead.plan.options import Loss


def test_iou_loss_by_hand():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    gt = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10]])
    # intersection 50, union 150, smoothed by one square pixel each
    torch.testing.assert_close(iou_loss(boxes, gt), torch.tensor([0.0, -math.log(51 / 151)]))


def test_paired_iou_of_disjoint_and_degenerate_boxes():
    a = torch.tensor([[0.0, 0, 1, 1], [3, 3, 3, 3], [0, 0, 4, 2]])
    b = torch.tensor([[2.0, 2, 3, 3], [3, 3, 3, 3], [2, 0, 6, 2]])
    torch.testing.assert_close(paired_iou(a, b), torch.tensor([0.0, 0.0, 1 / 3]))


def test_centerness_by_hand():
    ltrb = torch.tensor([[1.0, 1, 1, 1], [1, 2, 4, 2], [-1, 1, 1, 1]])
    torch.testing.assert_close(centerness(ltrb), torch.tensor([1.0, 0.5, 0.0]))


def test_points_lie_where_fcos_puts_them():
    points = make_points([(2, 3), (1, 2)], [8, 16])
    assert points.xy.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12], [8, 8], [24, 8]]
    assert points.stride.tolist() == [8] * 6 + [16] * 2
    assert [len(part) for part in points.split(points.xy, dim=0)] == [6, 2]
    boxes = torch.rand(8, 4)
    torch.testing.assert_close(ltrb_to_boxes(points.xy, boxes_to_ltrb(points.xy, boxes)), boxes, atol=1e-5, rtol=0)


@pytest.fixture
def scene():
    """Two images, six points; image 0 has positives at points 1 (box 0) and 4 (box 1), an ignored point 2."""
    generator = torch.Generator().manual_seed(0)
    points = make_points([(2, 3)], [8])
    boxes = ltrb_to_boxes(points.xy, torch.rand(2, 6, 4, generator=generator) * 10 + 1)
    coarse = ltrb_to_boxes(points.xy, torch.rand(2, 6, 4, generator=generator) * 10 + 1)
    logits = torch.randn(2, 6, 3, generator=generator)
    quality = torch.randn(2, 6, generator=generator)
    targets = [
        {"boxes": torch.tensor([[2.0, 0, 20, 10], [4, 4, 20, 16]]), "labels": torch.tensor([2, 0])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)},
    ]
    matched = torch.full((2, 6), -1)
    matched[0, 1], matched[0, 4], matched[0, 2] = 0, 1, -2
    return Predictions(logits, boxes, coarse, quality), points, targets, matched


def focal(logit: float, target: int, alpha: float = 0.25, gamma: float = 2.0) -> float:
    p = 1 / (1 + math.exp(-logit))
    p, alpha = (p, alpha) if target else (1 - p, 1 - alpha)
    return -alpha * (1 - p) ** gamma * math.log(p)


def test_classification_is_focal_over_all_but_the_ignored(scene):
    predictions, points, targets, matched = scene
    losses = dense_losses(predictions, points, targets, matched, Loss(), "none", False)
    expected = 0.0
    for image in range(2):
        for sample in range(6):
            if matched[image, sample] == -2:
                continue
            for label in range(3):
                match = matched[image, sample]
                target = int(match >= 0 and targets[image]["labels"][match] == label)
                expected += focal(float(predictions.logits[image, sample, label]), target)
    assert float(losses["classification"]) == pytest.approx(expected / 2, rel=1e-6)


def test_centerness_weighs_the_box_loss(scene):
    predictions, points, targets, matched = scene
    predictions = Predictions(predictions.logits, predictions.boxes, None, predictions.quality)
    losses = dense_losses(predictions, points, targets, matched, Loss(), "centerness", False)
    gt, at = targets[0]["boxes"], torch.tensor([1, 4])
    weight = centerness(boxes_to_ltrb(points.xy[at], gt))
    expected = (iou_loss(predictions.boxes[0, at], gt) * weight).sum() / weight.sum()
    torch.testing.assert_close(losses["box"], expected)
    entropy = binary_cross_entropy_with_logits(predictions.quality[0, at], weight, reduction="sum") / 2
    torch.testing.assert_close(losses["quality"], entropy)


@pytest.mark.parametrize("quality", ["none", "centerness"])
def test_the_weight_of_a_one_box_head(scene, quality):
    predictions, points, targets, matched = scene
    predictions = Predictions(predictions.logits, predictions.boxes, None, predictions.quality)
    once, twice = (
        dense_losses(predictions, points, targets, matched, Loss(box_weight=weight), quality, False)
        for weight in (1.0, 2.0)
    )
    assert twice == {name: value * (2 if name == "box" else 1) for name, value in once.items()}


@pytest.mark.parametrize("judged", ["coarse", "final"])
def test_confidence_learns_the_iou_of_the_chosen_box(scene, judged):
    predictions, points, targets, matched = scene
    losses = dense_losses(predictions, points, targets, matched, Loss(iou_target=judged), "iou", True)
    gt, at = targets[0]["boxes"], torch.tensor([1, 4])
    boxes = predictions.coarse_boxes if judged == "coarse" else predictions.boxes
    iou = paired_iou(boxes[0, at], gt)
    entropy = binary_cross_entropy_with_logits(predictions.quality[0, at], iou, reduction="sum") / 2
    torch.testing.assert_close(losses["quality"], entropy)
    torch.testing.assert_close(losses["coarse_box"], iou_loss(predictions.coarse_boxes[0, at], gt).mean())
    torch.testing.assert_close(losses["box"], iou_loss(predictions.boxes[0, at], gt).mean())


def test_no_positives_is_finite_and_has_gradients(scene):
    predictions, points, targets, matched = scene
    logits = predictions.logits.clone().requires_grad_()
    predictions = Predictions(logits, predictions.boxes, predictions.coarse_boxes, predictions.quality)
    for quality in ("none", "centerness", "iou"):
        losses = dense_losses(predictions, points, targets, matched.clamp(max=-1), Loss(), quality, True)
        total = sum(losses.values())
        assert total.isfinite()
        (gradient,) = torch.autograd.grad(total, logits)
        assert gradient.isfinite().all() and gradient.abs().sum() > 0
