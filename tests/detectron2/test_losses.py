"""Losses against detectron2's own classes: same weights, same images, same objects."""

import pytest
import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from tests.detectron2 import theirs

from triplehead.detectors.boxes import make_points
from triplehead.detectors.build import build
from triplehead.detectors.losses import dense_losses
from triplehead.detectron2.contract import Contract
from triplehead.detectron2.steptime import fcos
from triplehead.detectron2.weights import detector_options, to_ours
from triplehead.plan.plan import paper_specs

SIZE = (128, 192)
BOXES = torch.tensor([[10.3, 12.1, 60.7, 90.2], [80.2, 20.4, 180.9, 110.6], [3.0, 4.0, 30.5, 28.5]])
LABELS = torch.tensor([3, 17, 3])


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.randint(0, 256, (3, *SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def given(image: torch.Tensor, boxes: torch.Tensor = BOXES, labels: torch.Tensor = LABELS) -> list[dict]:
    return [{"image": image, "instances": Instances(SIZE, gt_boxes=Boxes(boxes.clone()), gt_classes=labels.clone())}]


def ours_like(model: torch.nn.Module, kind: str) -> torch.nn.Module:
    mean, std = (tuple(value / 255 for value in reversed(each)) for each in (theirs.MEAN, theirs.STD))
    detector = build(detector_options(kind), 80, mean, std)
    detector.load_state_dict(to_ours(model.state_dict(), detector))
    return detector.train()


def sums(model: torch.nn.Module, batch: list[dict]) -> dict[str, torch.Tensor]:
    """detectron2's losses times what it divides them by."""
    with EventStorage(), torch.no_grad():
        losses = model.train()(batch)
    return {name: value * model.loss_normalizer for name, value in losses.items()}


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_fcos(image):
    """Focal and centerness losses are the same sums. The box loss is, where ours is not weighted by centerness."""
    model = theirs.lively(fcos())
    ours, batch = ours_like(model, "fcos"), given(image)
    expected = sums(model, batch)
    with torch.no_grad():
        losses = ours([image.flip(0).float() / 255], [{"boxes": BOXES, "labels": LABELS}])
        predictions, points = ours.predict([image.flip(0).float() / 255])
        matched = ours.assign(predictions, points, [{"boxes": BOXES, "labels": LABELS}])
        unweighted = dense_losses(
            predictions, points, [{"boxes": BOXES, "labels": LABELS}], matched, ours.loss, "none", False
        )
    positives = ours.positives
    assert positives > 20
    assert close(losses["classification"] * positives, expected["loss_fcos_cls"])
    assert close(losses["quality"] * positives, expected["loss_fcos_ctr"])
    assert close(unweighted["box"] * positives, expected["loss_fcos_loc"])
    assert not close(losses["box"], unweighted["box"])  # the disagreement: FCOS weights by centerness


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "apart"),
    [
        ({}, set()),
        ({"centerness_on": "classification"}, {"quality"}),
        ({"box_activation": "exp"}, {"box"}),
        ({"box_unit": "pixel"}, {"box"}),
        ("scale", {"box"}),
    ],
)
def test_fcos_head_is_otherwise(image, options, apart):
    """What detectron2's head has otherwise than the original FCOS, which is the tables', changes which losses."""
    table = paper_specs("table5")[0].detector.head
    assert (table.centerness_on, table.box_activation, table.box_unit) == ("classification", "exp", "pixel")
    model = theirs.lively(fcos())
    like, other = ours_like(model, "fcos"), ours_like(model, "fcos")
    if options == "scale":
        for factor in other.head.scale.factors:
            factor.data.fill_(1.5)
    else:
        other.head.options = other.head.options.model_copy(update=options)
    with torch.no_grad():
        both = [each([image.flip(0).float() / 255], [{"boxes": BOXES, "labels": LABELS}]) for each in (like, other)]
    assert {name for name in both[0] if not close(both[0][name], both[1][name])} == apart


@pytest.mark.slow
def test_fcos_divides_otherwise(image):
    """detectron2 divides by a running mean that starts at 300, ours by this batch's positives."""
    model = theirs.lively(fcos())
    ours, batch = ours_like(model, "fcos"), given(image)
    sums(model, batch)
    ours([image.flip(0).float() / 255], [{"boxes": BOXES, "labels": LABELS}])
    assert model.loss_normalizer == pytest.approx(0.9 * 300 + 0.1 * int(ours.positives))


def test_fcos_ranges_end_otherwise():
    """An object whose farthest side is exactly 64 pixels away belongs to two levels in FCOS, to none in detectron2."""
    from detectron2.modeling.anchor_generator import DefaultAnchorGenerator

    model = fcos()
    ours = ours_like(model, "fcos")
    sizes = [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    anchors = DefaultAnchorGenerator(
        sizes=[[s] for s in (8, 16, 32, 64, 128)], aspect_ratios=[1.0], strides=[8, 16, 32, 64, 128]
    )([torch.zeros(1, 1, *size) for size in sizes])
    box = torch.tensor([[36.0, 4.0, 132.0, 104.0]])  # centre (84, 54); from (68, 56) the right side is 64 away
    labels, _ = model.label_anchors(anchors, [Instances(SIZE, gt_boxes=Boxes(box), gt_classes=torch.tensor([0]))])
    points = make_points(sizes, [8, 16, 32, 64, 128])
    target = [{"boxes": box, "labels": torch.tensor([0])}]
    logits = torch.zeros(1, len(points.xy), 80)
    from triplehead.detectors.boxes import Predictions

    mine = ours.assigner(Predictions(logits, torch.zeros(1, len(points.xy), 4)), points, target, 0.0)[0] >= 0
    farthest = torch.cat([points.xy - box[:, :2], box[:, 2:] - points.xy], dim=1).amax(dim=1)
    apart = mine != (labels[0] != 80)
    limits = torch.isin(farthest, torch.tensor([64.0, 128.0, 256.0, 512.0]))
    assert apart.any() and limits[apart].all() and mine[apart].all()


@pytest.mark.slow
def test_retinanet(image):
    """Focal and L1 losses are the same sums, over the same anchors with the same ones ignored."""
    model = theirs.lively(theirs.from_yaml("RetinaNet"))
    expected = sums(model, given(image))
    with EventStorage(), torch.no_grad():
        anchors = model.anchor_generator(
            [torch.zeros(1, 1, -(-SIZE[0] // s), -(-SIZE[1] // s)) for s in (8, 16, 32, 64, 128)]
        )
        labels, _ = model.label_anchors(anchors, [each["instances"] for each in given(image)])
        losses = Contract(ours_like(model, "retinanet"), 1).train()(given(image))
    positives = int(((labels[0] >= 0) & (labels[0] != 80)).sum())
    assert positives > 20 and (labels[0] == -1).any()
    assert close(losses["loss_classification"] * positives, expected["loss_cls"])
    assert close(losses["loss_bbox_regression"] * positives, expected["loss_box_reg"])
