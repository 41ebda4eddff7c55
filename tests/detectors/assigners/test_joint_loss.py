"""Eq. (2) by hand, and which pairs it is taken of."""

import math

import pytest
import torch
from tests.detectors.assigners.assigner_references import joint_loss_by_hand
from tests.detectors.assigners.assigner_scenes import make_case

from triplehead.detectors.assigners.joint_loss import inside_pairs, joint_loss
from triplehead.detectors.boxes import Points, make_points
from triplehead.detectors.losses import iou_loss

INDEX0 = torch.tensor([0])


def test_hand_computed():
    """Two classes at logit 0, target class 1; predicted box covers half of the 10 x 10 ground truth.

    L_cls = 0.25 * 0.5^2 * ln 2 (positive) + 0.75 * 0.5^2 * ln 2 (negative) = 0.25 ln 2
    L_reg = -ln((50 + 1) / (100 + 1))
    """
    gt = torch.tensor([[0.0, 0, 10, 10]])
    loss = joint_loss(torch.zeros(1, 2), torch.tensor([[0.0, 0, 5, 10]]), INDEX0, gt, torch.tensor([1]), alpha=1.0)
    assert loss.item() == pytest.approx(0.25 * math.log(2) + math.log(101 / 51), rel=1e-6)
    loss = joint_loss(torch.zeros(1, 2), torch.tensor([[0.0, 0, 5, 10]]), INDEX0, gt, torch.tensor([1]), alpha=3.0)
    assert loss.item() == pytest.approx(0.25 * math.log(2) + 3 * math.log(101 / 51), rel=1e-6)


def test_sparse_pairs_equal_the_loop():
    predictions, points, targets = make_case(0)
    boxes, labels = targets[2]["boxes"], targets[2]["labels"]
    gt, point = inside_pairs(points, boxes)
    assert len(gt) > 200 and len(point.unique()) < len(point)
    logits, predicted = predictions.logits[2], predictions.boxes[2]
    loss = joint_loss(logits, predicted, point, boxes[gt], labels[gt], 1.5, focal_alpha=0.4, focal_gamma=1.0)
    expected = [
        joint_loss_by_hand(
            logits[n].tolist(), predicted[n].tolist(), boxes[m].tolist(), labels[m].item(), 1.5, 0.4, 1.0
        )
        for m, n in zip(gt.tolist(), point.tolist(), strict=True)
    ]
    torch.testing.assert_close(loss, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_box_term_is_the_training_loss():
    """With a class term of 0 (alpha 0, all logits very negative) L_u is the training's box loss."""
    predictions, points, targets = make_case(1)
    gt, point = inside_pairs(points, targets[0]["boxes"])
    gt_boxes, predicted = targets[0]["boxes"][gt], predictions.boxes[0]
    logits = torch.full((len(points.xy), 2), -200.0)
    loss = joint_loss(logits, predicted, point, gt_boxes, gt.clamp(max=1), 1.0, focal_alpha=0.0, focal_gamma=0.0)
    well_formed = (predicted[:, 2:] > predicted[:, :2]).all(dim=1)[point]
    torch.testing.assert_close(loss[well_formed], iou_loss(predicted[point], gt_boxes)[well_formed])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_lifted_to_float32(dtype):
    """Areas of 300 x 300 pixels overflow float16."""
    logits, boxes = torch.tensor([[0.5, -1.0]], dtype=dtype), torch.tensor([[0, 0, 300, 300]], dtype=dtype)
    arguments = (INDEX0, torch.tensor([[0.0, 0, 400, 300]]), INDEX0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = joint_loss(logits, boxes, *arguments, alpha=1.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, joint_loss(logits.float(), boxes.float(), *arguments, alpha=1.0))


def test_perfect_prediction_has_no_loss():
    box = torch.tensor([[3.3, 4.7, 91.2, 33.3]])
    loss = joint_loss(torch.tensor([[60.0, -60.0]]), box, INDEX0, box, INDEX0, alpha=1.0)
    assert 0 <= loss.item() < 1e-6


@pytest.mark.parametrize("value", [1e30, math.inf, -math.inf, math.nan])
def test_overflow_gives_a_finite_loss(value):
    boxes = torch.tensor([[-abs(value), 0.0, value, 10.0]])
    gt = torch.tensor([[0.0, 0, 10, 10]])
    loss = joint_loss(torch.tensor([[1e4, -1e4]]), boxes, INDEX0, gt, INDEX0, alpha=1.0)
    assert torch.isfinite(loss).all()
    assert loss > joint_loss(torch.tensor([[1e4, -1e4]]), gt, INDEX0, gt, INDEX0, alpha=1.0)


def level(x: list[float], y: list[float]) -> Points:
    """One level whose points lie at these columns and rows."""
    rows, columns = torch.meshgrid(torch.tensor(y), torch.tensor(x), indexing="ij")
    xy = torch.stack([columns.flatten(), rows.flatten()], dim=1)
    return Points(xy, torch.ones(len(xy)), torch.zeros(len(xy), dtype=torch.long), ((len(y), len(x)),))


def test_inside_is_strict():
    boxes = torch.tensor([[20.0, 20, 30, 30], [0.0, 0, 10, 10]])
    edges = [0.0, 0.01, 0.02, 5, 9.98, 10, 11]
    for points in (level(edges, [5.0]), level([5.0], edges)):
        gt, point = inside_pairs(points, boxes)
        assert gt.tolist() == [1, 1, 1]
        assert point.tolist() == [2, 3, 4]


def test_inside_equals_a_comparison_of_every_point_with_every_box():
    generator = torch.Generator().manual_seed(0)
    points = make_points([(12, 17), (6, 9), (1, 1)], [8, 16, 128])
    corner = torch.rand(200, 2, generator=generator) * 160 - 20
    boxes = torch.cat([corner, corner + torch.rand(200, 2, generator=generator) * 90 - 10], dim=1)  # some inside out
    boxes[:50] = boxes[:50].round()  # edges on points
    boxes[50] = math.nan
    boxes[51] = torch.tensor([-math.inf, -math.inf, math.inf, math.inf])
    x, y = points.xy.unbind(1)
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    every = torch.stack([x - x1, x2 - x, y - y1, y2 - y]).gt(0.01).all(dim=0)
    assert len(points.xy) == every[51].sum()
    for got, expected in zip(inside_pairs(points, boxes), every.nonzero(as_tuple=True), strict=True):
        assert torch.equal(got, expected)


def test_nothing_inside():
    _, points, _ = make_case(0)
    for boxes in (torch.zeros(0, 4), torch.tensor([[20.1, 20.1, 20.9, 20.9]])):
        gt, point = inside_pairs(points, boxes)
        assert len(gt) == len(point) == 0
        assert joint_loss(torch.zeros(9, 2), torch.zeros(9, 4), point, boxes[gt], gt, alpha=1.0).shape == (0,)
