"""The detector's contract: every head with every assigner, odd images, and what post-processing keeps."""

import pytest
import torch

from triplehead.detectors.boxes import Predictions, make_points
from triplehead.detectors.build import build_detector
from triplehead.detectors.postprocess import detect
from triplehead.plan.options import ATSS, BorderHead, DyHead, FCOSHead, MaxIoU, Postprocess, TripleHead
from triplehead.plan.plan import load_plan

PLAN = load_plan({"scale": "smoke"})
SPEC = PLAN.specs["table5", "All"][0]
HEADS = [
    FCOSHead(num_convs=1, norm="batch", box_unit="stride"),
    FCOSHead(num_convs=1, quality="centerness", norm="group"),
    FCOSHead(num_convs=1, quality="iou", norm="batch"),
    TripleHead(num_convs=2, norm="batch", box_unit="stride"),
    TripleHead(num_convs=2, norm="group", refinement=False, quality="none"),
    TripleHead(num_convs=2, norm="batch", refinement=False, unrefined_box="regressed"),
    TripleHead(num_convs=2, norm="batch", star_norm="batch", offset_gradient=0.1),
    BorderHead(num_convs=1, norm="batch", box_unit="stride", quality="centerness"),
    BorderHead(num_convs=1, norm="group", quality="iou"),
    BorderHead(num_convs=1, norm="batch", border_norm="batch"),
    DyHead(num_blocks=2, norm="batch", box_unit="stride", quality="centerness"),
    DyHead(num_blocks=1, norm="group", num_convs=1, quality="iou"),
    FCOSHead(num_convs=1, quality="centerness", centerness_on="regression", norm="batch", box_coder="delta"),
]
ASSIGNERS = {
    "fcos": PLAN.specs["table5", "Baseline"][0].detector.assigner,
    "jla": PLAN.specs["table5", "JLA"][0].detector.assigner,
    "atss": ATSS(),
    "max_iou": MaxIoU(),
}


def detector(head=HEADS[3], assigner: str = "jla"):
    dense = SPEC.detector.model_copy(update={"head": head, "assigner": ASSIGNERS[assigner]})
    return build_detector(SPEC.model_copy(update={"detector": dense}))


def batch(*counts: int, size: int = 64):
    generator = torch.Generator().manual_seed(0)
    images, targets = [], []
    for count in counts:
        images.append(torch.rand(3, size, size, generator=generator))
        corner = torch.rand(count, 2, generator=generator) * size / 2
        side = torch.rand(count, 2, generator=generator) * size / 2 + 4
        labels = torch.randint(0, 10, (count,), generator=generator)
        targets.append({"boxes": torch.cat([corner, corner + side], dim=1), "labels": labels})
    return images, targets


@pytest.mark.parametrize("assigner", ASSIGNERS)
@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head.name}-{head.quality}")
def test_every_head_trains_with_every_assigner(head, assigner):
    model = detector(head, assigner).train()
    losses = model(*batch(3, 2))
    total = sum(losses.values())
    total.backward()
    assert total.isfinite()
    untouched = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not untouched


@pytest.mark.parametrize("assigner", ASSIGNERS)
@pytest.mark.parametrize(
    "head", [HEADS[1], HEADS[3], HEADS[7], HEADS[10], HEADS[-1]], ids=["fcos", "triple", "border", "dyhead", "delta"]
)
def test_images_without_boxes_and_boxes_without_points(head, assigner):
    model = detector(head, assigner).train()
    between = {"boxes": torch.tensor([[2.6, 2.6, 3.4, 3.4]]), "labels": torch.tensor([1])}
    images, targets = batch(0, 0)
    for these in (targets, [between, targets[1]], [between, between]):
        total = sum(model(images, these).values())
        total.backward()
        assert total.isfinite()


@pytest.mark.parametrize("assigner", ASSIGNERS)
def test_more_boxes_than_points(assigner):
    images, _ = batch(1, size=32)
    boxes = torch.tensor([[1.0, 1, 31, 31]]).repeat(500, 1) + torch.linspace(0, 0.5, 500)[:, None]
    model = detector(assigner=assigner).train()
    total = sum(model(images, [{"boxes": boxes, "labels": torch.zeros(500, dtype=torch.long)}]).values())
    total.backward()
    assert total.isfinite()


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second = build_detector(SPEC), build_detector(SPEC)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    other = build_detector(SPEC.model_copy(update={"seed": 1}))
    assert not torch.equal(first.head.classifier.weight, other.head.classifier.weight)


@pytest.mark.parametrize("head", [HEADS[3], HEADS[7], HEADS[10]], ids=lambda head: head.name)
def test_detections_do_not_depend_on_the_batch(head):
    """Images of one size: alone or together, the same boxes."""
    model = detector(head).eval()
    with torch.no_grad():
        model.head.classifier.bias += 4  # an untrained head finds nothing otherwise,
        model.head.classifier.weight *= 100  # and scores all alike
    images, _ = batch(1, 1, 1)
    with torch.inference_mode():
        together = model(images)
        alone = [model([image])[0] for image in images]
    assert len(together[0]["boxes"]) > 0
    for a, b in zip(together, alone, strict=True):
        assert torch.equal(a["labels"], b["labels"])
        torch.testing.assert_close(a["boxes"], b["boxes"], atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(a["scores"], b["scores"])


def test_without_refinement_the_coarse_box_is_final():
    images, _ = batch(1)
    coarse, _ = detector(HEADS[4]).eval().predict(images)
    assert coarse.boxes is coarse.coarse_boxes
    refined, _ = detector(HEADS[3]).eval().predict(images)
    assert not torch.equal(refined.boxes, refined.coarse_boxes)


def test_the_border_branch_has_no_say_in_the_assignment():
    """The assigner and FCOS's losses see FCOS's boxes and logits, whatever the border branch makes of them."""
    model, seen = detector(HEADS[7]).train(), []
    assign = model.assigner
    model.assigner = lambda *arguments: seen.append(arguments[0]) or assign(*arguments)
    images, targets = batch(3, 2)
    before = model(images, targets)
    with torch.no_grad():
        model.head.border_regressor.bias += 1
        model.head.border_classifier.bias += 1
    after = model(images, targets)
    for name in ("classification", "box", "quality"):
        assert torch.equal(before[name], after[name])
    assert before["border_classification"] != after["border_classification"]
    assert torch.equal(seen[0].boxes, seen[1].boxes)
    assert seen[0].coarse_boxes is None


def test_post_processing_by_hand():
    points = make_points([(1, 4)], [8])
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 50, 8], [3, 3, 3, 5]]])
    probability = torch.tensor([[[0.9, 0.01], [0.8, 0.3], [0.04, 0.5], [0.9, 0.9]]])
    quality = torch.tensor([[0.25, 1.0, 0.25, 1.0]])
    predictions = Predictions(probability.logit(), boxes, None, quality.logit(eps=1e-6))
    (found,) = detect(predictions, points, [(8, 32)], Postprocess())
    # Class 0: the second box wins by its quality and removes the first; the empty box is dropped; class 1 of the
    # first and class 0 of the third are below 0.05. Boxes are clipped to the image.
    assert found["labels"].tolist() == [0, 1, 1]
    torch.testing.assert_close(found["scores"], torch.tensor([0.8, 0.3, 0.125]).sqrt(), atol=1e-4, rtol=0)
    assert found["boxes"].tolist() == [[0, 0, 10, 8], [0, 0, 10, 8], [20, 0, 32, 8]]
    (few,) = detect(predictions, points, [(8, 32)], Postprocess(max_detections=1))
    assert len(few["boxes"]) == 1
