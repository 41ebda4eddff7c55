"""The triple head's boxes, eqs. (7) and (8), against cell-by-cell arithmetic and torchvision's convolution."""

import math
import pickle
from dataclasses import replace

import pytest
import torch
from torchvision.ops import deform_conv2d

from triplehead.detectors.boxes import FinalBoxes, make_points
from triplehead.detectors.heads.triple import TripleHead
from triplehead.detectors.postprocess import detect
from triplehead.plan.options import Postprocess
from triplehead.plan.options import TripleHead as Options

STRIDE, HEIGHT, WIDTH = 8, 5, 7


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = TripleHead(Options(num_convs=2), 32, 3, [STRIDE])
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    head.pre_scale.factors[0].data.fill_(0.8)
    head.scale.factors[0].data.fill_(1.3)
    return head


def predict(head):
    features = torch.randn(1, 32, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    points = make_points([(HEIGHT, WIDTH)], [STRIDE])
    return features, head([features], points)


def pixels(head, features):
    """Raw coarse output [4][H][W] -> distances in pixels: exp(scale * x), as FCOS's."""
    raw = head.pre_regressor(head.pre_tower(features, 0))[0].tolist()
    return [[[math.exp(0.8 * x) for x in row] for row in side] for side in raw]


def box(distances, y, x):
    left, top, right, bottom = (side[y][x] for side in distances)
    center_x, center_y = x * STRIDE + STRIDE // 2, y * STRIDE + STRIDE // 2
    return [center_x - left, center_y - top, center_x + right, center_y + bottom]


def test_the_final_box_is_the_coarse_one_times_the_regression(head):
    """And the classes are read at the same taps, the confidence from the branch of the coarse box."""
    features, found = predict(head)
    coarse = pixels(head, features)
    offsets = torch.empty(1, 18, HEIGHT, WIDTH)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            left, top, right, bottom = (side[y][x] / STRIDE for side in coarse)
            taps = [(v, h) for v in (-top, 0, bottom) for h in (-left, 0, right)]
            grid = [(v, h) for v in (-1, 0, 1) for h in (-1, 0, 1)]
            for tap, ((v, h), (gv, gh)) in enumerate(zip(taps, grid, strict=True)):
                offsets[0, 2 * tap, y, x], offsets[0, 2 * tap + 1, y, x] = v - gv, h - gh
    sampled = deform_conv2d(head.reg_tower(features, 0), offsets, head.reg_star.weight, padding=1).relu()
    factor = head.regressor(sampled)[0].tolist()
    sampled = deform_conv2d(head.cls_tower(features, 0), offsets, head.cls_star.weight, padding=1).relu()
    logits, quality = head.classifier(sampled), head.quality(head.pre_tower(features, 0))
    torch.testing.assert_close(found.logits, logits.flatten(2).mT, rtol=0, atol=5e-6)
    torch.testing.assert_close(found.quality, quality.flatten(1), rtol=0, atol=5e-6)
    final = [
        [[coarse[side][y][x] * math.exp(1.3 * factor[side][y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]
        for side in range(4)
    ]
    for index in range(HEIGHT * WIDTH):
        y, x = divmod(index, WIDTH)
        assert found.coarse_boxes[0, index].tolist() == pytest.approx(box(coarse, y, x), abs=2e-5)
        assert found.boxes[0, index].tolist() == pytest.approx(box(final, y, x), abs=2e-5)


def test_each_box_trains_its_own_branch(head):
    """Neither the final box nor the classification moves the coarse box through the offsets or the product."""
    _, found = predict(head)
    parts = {"pre": head.pre_regressor.weight, "reg": head.regressor.weight, "star": head.reg_star.weight}

    def touched(value):
        grads = torch.autograd.grad(value.sum(), list(parts.values()), retain_graph=True, allow_unused=True)
        return {name for name, grad in zip(parts, grads, strict=True) if grad is not None and grad.any()}

    assert touched(found.boxes) == {"reg", "star"}
    assert touched(found.coarse_boxes) == {"pre"}
    assert touched(found.logits) == set()


def test_an_untrained_regression_leaves_the_coarse_box(head):
    torch.nn.init.zeros_(head.regressor.weight)
    torch.nn.init.zeros_(head.regressor.bias)
    _, found = predict(head)
    torch.testing.assert_close(found.boxes, found.coarse_boxes)


@pytest.fixture
def levels():
    """Heads of two levels on the same features and weights: `levels(**options)`."""

    def predict(training=True, **options):
        torch.manual_seed(3)
        head = TripleHead(Options(num_convs=2, **options), 32, 3, [8, 16]).train(training)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, mean=0.05, std=0.1)
        torch.nn.init.normal_(head.classifier.weight, std=0.01)
        features = [torch.randn(2, 32, *size) for size in ((6, 7), (3, 4))]
        return head, head(features, make_points([(6, 7), (3, 4)], [8, 16]))

    return predict


CHOSEN = torch.tensor([0, 0, 0, 1, 1, 1, 1]), torch.tensor([53, 0, 8, 42, 41, 8, 42])  # images, samples


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"offset_gradient": 0.1},
        {"refinement": False, "unrefined_box": "regressed", "box_unit": "pixel"},
        {"norm": "batch", "star_norm": "batch", "training": False},
    ],
)
def test_chosen_boxes_are_those_of_all(levels, options):
    """In any order, twice, at the rim, of one image and level or none; the gradients are the same."""
    head, found = levels(**options)
    assert isinstance(found.given_boxes, FinalBoxes)
    parameters = dict(head.named_parameters())
    for image, sample in (CHOSEN, (CHOSEN[0][:1], CHOSEN[1][:1]), (CHOSEN[0][:0], CHOSEN[1][:0])):
        alone, whole = found.given_boxes._chosen_boxes(image, sample), found.given_boxes._all_boxes()[image, sample]
        grads, expected = (
            torch.autograd.grad(boxes.square().sum(), parameters.values(), retain_graph=True, allow_unused=True)
            for boxes in (alone, whole)
        )
        # None and zero are not the same to an optimiser: of zero, momentum and decay still act.
        trained = [name for name, grad in zip(parameters, expected, strict=True) if grad is not None]
        assert trained == [name for name, grad in zip(parameters, grads, strict=True) if grad is not None]
        got, want = (torch.cat([each.flatten() for each in made if each is not None]) for made in (grads, expected))
        assert (got - want).norm() <= 5e-6 * want.norm()
        assert not len(sample) or (alone - whole).abs().max() <= 1e-6 * whole.abs().max()


def test_few_points_are_computed_alone_and_many_are_looked_up(levels):
    _, found = levels()
    found.boxes_of(*CHOSEN)
    assert "all" not in vars(found.given_boxes)
    many = torch.arange(13)  # times nine cells: more than 2 x 54 points
    torch.testing.assert_close(found.boxes_of(many * 0, many), found.given_boxes._all_boxes()[0, :13], rtol=0, atol=0)
    assert "all" in vars(found.given_boxes)


def test_detections_are_the_same_either_way(levels):
    _, found = levels(training=False)
    points = make_points([(6, 7), (3, 4)], [8, 16])
    threshold = float(found.logits.sigmoid().flatten().topk(10).values[-1].detach())
    options = Postprocess(score_threshold=threshold)
    alone = detect(found, points, [(60, 60)] * 2, options)
    assert "all" not in vars(found.given_boxes)
    _ = found.boxes
    for one, other in zip(alone, detect(found, points, [(60, 60)] * 2, options), strict=True):
        assert len(one["boxes"])
        for key in one:
            torch.testing.assert_close(one[key], other[key], rtol=1e-5, atol=1e-4)


def test_boxes_that_were_asked_for_without_gradient_have_one(levels):
    """An assigner looks at all boxes, then the losses choose some."""
    _, found = levels()
    with torch.no_grad():
        all_boxes = found.boxes
    assert found.boxes_of(*CHOSEN).requires_grad
    assert torch.equal(found.boxes_of(*CHOSEN), all_boxes[CHOSEN])


@pytest.mark.parametrize("read", [lambda found: found.boxes, lambda found: found.boxes_of(*CHOSEN)], ids=["all", "few"])
def test_boxes_are_computed_as_the_rest_was_whenever_that_is(levels, read):
    """Mixed precision and gradients are those of the forward pass."""
    with torch.autocast("cpu", torch.bfloat16):
        _, found = levels()
        inside = read(found)
    with torch.autocast("cpu", torch.bfloat16):
        _, found = levels()
    torch.testing.assert_close(read(found), inside, rtol=0, atol=0)
    with torch.no_grad():
        _, found = levels()
    assert not read(found).requires_grad


def test_predictions_are_copied_and_stored_with_their_boxes(levels):
    with torch.no_grad():
        _, found = levels()
    copied, stored = replace(found, quality=None), pickle.loads(pickle.dumps(found))
    assert copied.quality is None
    for other in (copied, stored):
        assert torch.equal(other.boxes, found.boxes) and torch.equal(other.logits, found.logits)
        assert other.two_boxes


def test_a_batch_norm_sees_all_cells_in_training(levels):
    _, found = levels(norm="batch", star_norm="batch")
    assert not isinstance(found.given_boxes, FinalBoxes)
    assert found.two_boxes
