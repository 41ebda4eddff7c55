"""BorderDet: BorderAlign against a scalar loop, the border branch's targets, losses and scores by hand."""

import math

import pytest
import torch
from tests.detectors.assigners.test_memory import Largest

from triplehead.detectors.border_losses import border_losses, border_targets
from triplehead.detectors.boxes import Points, Predictions, boxes_to_deltas, deltas_to_boxes, make_points
from triplehead.detectors.heads import border, border_align
from triplehead.detectors.heads.border import BorderHead, InstanceNorm
from triplehead.detectors.postprocess import detect
from triplehead.plan.options import BorderHead as Options
from triplehead.plan.options import Loss, Postprocess


def reading(channel: torch.Tensor, x: float, y: float) -> tuple[float, dict[tuple[int, int], float]]:
    """Bilinear value of one map [H, W] at a place inside it, and the share of each cell in it."""
    left, top = math.floor(x), math.floor(y)
    shares = {}
    for row, row_share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, share in ((left, 1 - (x - left)), (left + 1, x - left)):
            if row_share * share > 0:
                shares[row, column] = row_share * share
    return sum(share * float(channel[cell]) for cell, share in shares.items()), shares


def scalar_border_align(x: torch.Tensor, boxes: torch.Tensor, pool_size: int, upstream: torch.Tensor):
    """The published description, one number at a time -> values, and the gradient of (values * upstream).sum()."""
    batch, channels, height, width = x.shape
    values, grad = torch.zeros_like(x), torch.zeros_like(x)
    for image in range(batch):
        for cell in range(height * width):
            x1, y1, x2, y2 = boxes[image, cell].tolist()
            x1, x2 = (min(max(v, 0), width - 1) for v in (x1, x2))
            y1, y2 = (min(max(v, 0), height - 1) for v in (y1, y2))
            step_x, step_y = (x2 - x1) / pool_size, (y2 - y1) / pool_size
            starts = [(x1, y1, step_x, 0), (x1, y1, 0, step_y), (x2, y2, -step_x, 0), (x2, y2, 0, -step_y)]
            for channel in range(channels):
                from_x, from_y, dx, dy = starts[channel // (channels // 4)]  # top, left, bottom, right
                best, best_shares = -math.inf, {}
                for k in range(pool_size + 1):
                    at_x = min(max(from_x + k * dx, 0), width - 1)  # rounding may step over the rim
                    at_y = min(max(from_y + k * dy, 0), height - 1)
                    value, shares = reading(x[image, channel], at_x, at_y)
                    if value > best:
                        best, best_shares = value, shares
                place = divmod(cell, width)
                values[image, channel][place] = best
                for at, share in best_shares.items():
                    grad[image, channel][at] += share * upstream[image, channel][place]
    return values, grad


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 6), (6, 1), (1, 1)])
def test_border_align_equals_a_scalar_loop(monkeypatch, height, width):
    """Values and gradient: the point of the maximum alone gets it. Boxes reach out of the map, some wholly."""
    generator = torch.Generator().manual_seed(height * 10 + width)
    x = torch.randn(2, 8, height, width, generator=generator, dtype=torch.double, requires_grad=True)
    corner = torch.rand(2, height * width, 2, generator=generator, dtype=torch.double) * 8 - 2
    side = torch.rand(2, height * width, 2, generator=generator, dtype=torch.double) * 6
    boxes = torch.cat([corner, corner + side], dim=2).requires_grad_()
    upstream = torch.randn(2, 8, height, width, generator=generator, dtype=torch.double)
    want, want_grad = scalar_border_align(x.detach(), boxes.detach(), 10, upstream)
    for chunk in (border_align.CPU_CHUNK, 1):
        monkeypatch.setattr(border_align, "CPU_CHUNK", chunk)
        got = border_align.border_align(x, boxes, 10)
        grad, to_boxes = torch.autograd.grad((got * upstream).sum(), [x, boxes], allow_unused=True)
        assert to_boxes is None
        torch.testing.assert_close(got, want, rtol=0, atol=1e-13)
        torch.testing.assert_close(grad, want_grad, rtol=0, atol=1e-13)


def test_memory_at_800_x_1333(monkeypatch):
    """P3, a side at a time: nothing larger than the map itself, though 11 points are read of each side, and less than
    that is kept for the gradient. Both grow with the channels, of which the paper has 256 and 128 a side."""
    height, width = 800 // 8, 1344 // 8
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4 * 64, height, width, generator=generator, requires_grad=True)
    corner = torch.rand(1, height * width, 2, generator=generator) * 100
    boxes = torch.cat([corner, corner + 60], dim=2)
    kept = {}

    def keep(saved):
        kept[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    read, sampled = border_align.grid_sample, []
    monkeypatch.setattr(
        border_align, "grid_sample", lambda x, *at, **how: sampled.append(x.numel()) or read(x, *at, **how)
    )
    with Largest() as largest, torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        border_align.border_align(x, boxes, 10).sum().backward()
    assert largest.entries == x.numel()
    assert set(sampled) == {x.numel() // 4}
    assert x.numel() < sum(kept.values()) < 4 * x.numel()  # bytes


def test_sides_are_read_in_the_order_top_left_bottom_right():
    """On maps of x and of -x the top and bottom sides of the box x 1..3, y 1..4 give both ends, left and right one."""
    ramp = torch.arange(6.0).expand(6, 6)
    boxes = torch.tensor([1.0, 1, 3, 4]).expand(1, 36, 4)
    for sign, expected in ((1, [3, 1, 3, 3]), (-1, [-1, -1, -1, -3])):
        pooled = border_align.border_align(sign * ramp.expand(1, 4, 6, 6), boxes, 10)
        torch.testing.assert_close(pooled[0, :, 0, 0], torch.tensor(expected, dtype=torch.float))


def test_of_equal_readings_the_first_gets_the_gradient():
    x = torch.ones(1, 4, 5, 5, requires_grad=True)
    boxes = torch.tensor([1.0, 2, 3, 4]).expand(1, 25, 4)
    border_align.border_align(x, boxes, 10)[0, :, 0, 0].sum().backward()
    places = [grad.nonzero().tolist() for grad in x.grad[0]]  # as (y, x)
    assert places == [[[2, 1]], [[2, 1]], [[4, 3]], [[4, 3]]]


def test_a_box_is_read_where_it_lies(monkeypatch):
    """Pixels to cells: the point of cell (i, j) is read at exactly (j, i), though it lies half a stride further."""
    strides = [8, 16]
    head = BorderHead(Options(num_convs=1, norm="batch"), 8, 3, strides).eval()
    seen = []
    monkeypatch.setattr(border, "border_align", lambda x, boxes, size: seen.append(boxes) or x)
    with torch.no_grad():
        head.regressor.weight.zero_()
        head.regressor.bias.fill_(math.log(4.0))  # every side 4 pixels from its point
        features = [torch.randn(1, 8, 4, 6), torch.randn(1, 8, 2, 3)]
        head(features, make_points([(4, 6), (2, 3)], strides))
    for boxes, stride, width in zip(seen, (8, 8, 16, 16), (6, 6, 3, 3), strict=True):  # both towers
        assert boxes[0, width + 2].tolist() == pytest.approx(  # cell (1, 2)
            [2 - 4 / stride, 1 - 4 / stride, 2 + 4 / stride, 1 + 4 / stride]
        )


def test_instance_norm():
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(InstanceNorm()(x), torch.nn.functional.instance_norm(x))
    assert torch.equal(InstanceNorm()(x[..., :1, :1]), torch.zeros(2, 3, 1, 1))


def test_deltas_are_in_half_sides_and_come_back():
    boxes, gt_boxes = torch.tensor([[10.0, 20, 30, 60]]), torch.tensor([[15.0, 10, 30, 65]])
    deltas = boxes_to_deltas(boxes, gt_boxes)
    assert deltas.tolist() == [[0.5, -0.5, 0, 0.25]]
    assert deltas_to_boxes(boxes, deltas).tolist() == gt_boxes.tolist()


GT = {"boxes": torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 16]]), "labels": torch.tensor([1, 0])}
NONE = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}


def test_targets_by_hand():
    coarse = torch.tensor([[[0.0, 0, 10, 9], [0, 0, 10, 15], [0, 0, 10, 6], [0, 0, 10, 5.9], [20, 20, 30, 30]]])
    # IoU with the two boxes: .9/.56, .67/.94, .6/.38, .59/.37, 0.
    assert border_targets(coarse, [GT], 0.6).tolist() == [[0, 1, 0, -1, -1]]
    assert border_targets(coarse, [GT], 0.95).tolist() == [[-1] * 5]
    assert border_targets(coarse, [NONE], 0.6).tolist() == [[-1] * 5]
    twice = GT | {"boxes": GT["boxes"][[0, 0]]}
    assert border_targets(coarse[:, :1], [twice], 0.6).tolist() == [[0]]


def focal(probability: float, positive: bool) -> float:
    if positive:
        return -0.25 * (1 - probability) ** 2 * math.log(probability)
    return -0.75 * probability**2 * math.log(1 - probability)


def test_losses_by_hand():
    """Two images: the first has two positives of four samples, the second no box at all."""
    coarse = torch.tensor([[0.0, 0, 10, 8], [0, 0, 8, 16], [0, 0, 10, 5], [20, 20, 30, 30]]).repeat(2, 1, 1)
    probability = torch.tensor([[0.3, 0.6], [0.7, 0.1], [0.2, 0.2], [0.5, 0.4]]).repeat(2, 1, 1)
    deltas = torch.zeros(2, 4, 4)
    deltas[0, 0] = torch.tensor([0.1, 0.0, 0.0, 0.25])
    deltas[0, 2] = 9.0  # background: no box to learn
    predictions = Predictions(
        torch.zeros(2, 4, 2), torch.zeros(2, 4, 4), coarse.requires_grad_(), None, probability.logit(), deltas
    )
    losses = border_losses(predictions, [GT, NONE], Loss(), 0.6)
    wanted = sum(focal(p, False) for p in probability.flatten().tolist())
    for p in (0.6, 0.7):  # class 1 of the first sample, class 0 of the second
        wanted += focal(p, True) - focal(p, False)
    assert float(losses["border_classification"]) == pytest.approx(wanted / 2, rel=5e-7)
    # First: wanted (0, 0, 0, 2 / 4), found (.1, 0, 0, .25). Second: wanted (0, 0, 2 / 4, 0), found none.
    assert float(losses["border_box"]) == pytest.approx((0.1 + 0.25 + 0.5) / 2, rel=5e-7)
    assert not any(loss.requires_grad for loss in losses.values())  # nothing reaches the coarse boxes


def test_score_by_hand():
    """Kept by the class probability alone; ranked, and scored, with what the border says."""
    points = make_points([(1, 3)], [8])
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 8]]])
    probability = torch.tensor([[[0.9], [0.4], [0.04]]])
    quality = torch.tensor([[0.4, 0.9, 0.9]])
    border_probability = torch.tensor([[[0.25], [0.64], [0.99]]])
    predictions = Predictions(probability.logit(), boxes, None, quality.logit(), border_probability.logit(), boxes)
    (found,) = detect(predictions, points, [(32, 32)], Postprocess())
    # The border prefers the second box, sqrt(.6 * .64) to sqrt(.6 * .25); the third is below 0.05.
    assert found["boxes"].tolist() == [[0, 0, 10, 9]]
    assert found["scores"].tolist() == pytest.approx([math.sqrt(math.sqrt(0.4 * 0.9) * 0.64)])


def test_first_stage_is_fcos():
    """What the assigner judges has FCOS's boxes, and no border; the losses of both parts come out."""
    plain = Predictions(torch.zeros(1, 3, 2), torch.zeros(1, 3, 4))
    assert plain.first_stage is plain
    coarse = torch.ones(1, 3, 4)
    seen = Predictions(plain.logits, plain.boxes, coarse, None, plain.logits, plain.boxes).first_stage
    assert seen.boxes is coarse
    assert seen.coarse_boxes is None
    assert seen.border_logits is None


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_maps_of_one_row_or_column(size):
    head = BorderHead(Options(num_convs=1, norm="group"), 32, 3, [8])
    points: Points = make_points([size], [8])
    out = head([torch.randn(2, 32, *size, generator=torch.Generator().manual_seed(0))], points)
    (out.boxes.sum() + out.border_logits.sum()).backward()
    assert out.boxes.isfinite().all()
    assert all(p.grad.isfinite().all() for p in head.border_classifier.parameters())
