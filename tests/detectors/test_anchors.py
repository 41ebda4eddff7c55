"""Square anchors and offsets from them, by hand and against torchvision's box coder."""

import math

import torch
from torchvision.models.detection._utils import BoxCoder

from triplehead.detectors.anchors import DELTA_WEIGHTS, deltas_to_boxes, square_anchors
from triplehead.detectors.boxes import make_points
from triplehead.detectors.heads.fcos import FCOSHead
from triplehead.plan.options import FCOSHead as Options

POINTS = make_points([(6, 5), (3, 3)], [8, 16])
ANCHORS = square_anchors(POINTS, 8.0)


def test_anchors_by_hand():
    assert ANCHORS[0].tolist() == [-28, -28, 36, 36]  # side 64 about (4, 4)
    assert ANCHORS[-1].tolist() == [-24, -24, 104, 104]  # side 128 about (40, 40)


def test_offsets_by_hand():
    deltas = torch.zeros(len(ANCHORS), 4)
    assert torch.equal(deltas_to_boxes(ANCHORS, deltas), ANCHORS)
    deltas[0] = torch.tensor([10.0, -5, 5 * math.log(2), 5 * math.log(0.5)])
    box = deltas_to_boxes(ANCHORS, deltas)[0]  # a side right, half a side up, twice as wide, half as high
    torch.testing.assert_close(box, torch.tensor([68 - 64.0, -28 - 16, 68 + 64, -28 + 16]))


def test_decoding_equals_torchvisions():
    generator = torch.Generator().manual_seed(0)
    deltas = 8 * torch.randn(3, len(ANCHORS), 4, generator=generator)
    deltas[0, :5, 2:] = 1000.0  # beyond the bound
    expected = torch.stack([BoxCoder(DELTA_WEIGHTS).decode_single(image, ANCHORS) for image in deltas])
    boxes = deltas_to_boxes(ANCHORS, deltas)
    assert boxes.isfinite().all()
    torch.testing.assert_close(boxes, expected, atol=1e-4, rtol=1e-6)


def test_round_trip_with_torchvisions_encoding():
    generator = torch.Generator().manual_seed(1)
    corner = 80 * torch.rand(len(ANCHORS), 2, generator=generator)
    boxes = torch.cat([corner, corner + 1 + 60 * torch.rand(len(ANCHORS), 2, generator=generator)], dim=1)
    deltas = BoxCoder(DELTA_WEIGHTS).encode_single(boxes, ANCHORS)
    torch.testing.assert_close(deltas_to_boxes(ANCHORS, deltas), boxes, atol=1e-4, rtol=0)


def test_a_head_that_regresses_nothing_predicts_the_anchors():
    head = FCOSHead(Options(box_coder="delta", anchor_scale=3.0, num_convs=1, norm="batch"), 32, 5, [8, 16])
    torch.nn.init.zeros_(head.regressor.weight)
    features = [torch.rand(2, 32, height, width) for height, width in POINTS.sizes]
    assert torch.equal(head(features, POINTS).boxes, square_anchors(POINTS, 3.0).expand(2, -1, -1))


def test_centerness_hangs_on_the_tower_that_the_options_name():
    features = [torch.rand(1, 32, height, width) for height, width in POINTS.sizes]
    for tower, other in (("classification", "reg_tower"), ("regression", "cls_tower")):
        options = Options(quality="centerness", centerness_on=tower, num_convs=1, norm="batch")
        head = FCOSHead(options, 32, 5, [8, 16])
        head(features, POINTS).quality.sum().backward()
        assert all(p.grad is None for p in getattr(head, other).parameters())
