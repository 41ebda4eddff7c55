"""Faster R-CNN and RetinaNet keep the detector's contract."""

import pytest
import torch

from triplehead.detectors.build import build_detector
from triplehead.plan.plan import load_plan

ARCHITECTURES = ["faster_rcnn", "retinanet"]
SPEC = load_plan({"scale": "smoke"}).specs["table5", "FCOS"][0]


def detector(architecture: str, **postprocess) -> torch.nn.Module:
    values = SPEC.model_dump(mode="json")
    values["detector"] = {
        "architecture": architecture,
        "backbone": values["detector"]["backbone"],
        "postprocess": postprocess,
    }
    return build_detector(type(SPEC).model_validate(values, strict=False))


def sure(model: torch.nn.Module) -> torch.nn.Module:
    """A model that finds objects of every class everywhere, untrained as it is."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("cls_logits.bias"):
                parameter += 6
    return model.eval()


def batch():
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(3, 64, 96, generator=generator), torch.rand(3, 96, 64, generator=generator)]
    boxes = torch.tensor([[3.0, 3, 30, 40], [20, 20, 60, 60], [40, 2, 60, 12]])
    some = {"boxes": boxes, "labels": torch.tensor([0, 9, 4])}
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)}
    return images, [some, none]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_losses_in_training(architecture):
    model = detector(architecture).train()
    losses = model(*batch())
    assert not any(name.startswith("loss_") for name in losses)
    total = sum(losses.values())
    total.backward()
    assert total.isfinite()
    assert model.backbone.strides == [4, 8, 16]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_images_keep_their_size(architecture, training):
    """They come resized: the backbone sees them padded to a common multiple of 32, and nothing else."""
    model, shapes = detector(architecture).train(training), []
    model.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    model(*batch())
    assert shapes == [(2, 3, 96, 96)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_images_without_boxes(architecture):
    images, (_, none) = batch()
    total = sum(detector(architecture).train()(images, [none, none]).values())
    total.backward()
    assert total.isfinite()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_detections_in_evaluation(architecture):
    images, _ = batch()
    for image, found in zip(images, sure(detector(architecture))(images), strict=True):
        assert set(found) == {"boxes", "scores", "labels"}
        assert 0 < len(found["boxes"]) <= 100
        assert ((found["labels"] >= 0) & (found["labels"] < 10)).all()
        assert (found["boxes"].amax(dim=0)[2:] <= torch.tensor([image.shape[2], image.shape[1]])).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_post_processing_follows_the_spec(architecture):
    images, _ = batch()

    def counts(**postprocess):
        return [len(found["boxes"]) for found in sure(detector(architecture, **postprocess))(images)]

    everything = {"score_threshold": 0.0, "nms_iou": 1.0}
    assert counts(max_detections=7) == [7, 7]
    assert counts(max_detections=500, **everything) == [500, 500]
    assert max(counts(score_threshold=1.0)) == 0


def test_retinanets_candidates_per_level_follow_the_spec():
    images, _ = batch()
    model = sure(detector("retinanet", pre_nms=3, nms_iou=1.0, score_threshold=0.0))
    assert [len(found["boxes"]) for found in model(images)] == [9, 9]  # three levels


def test_retinanets_classes_are_all_objects():
    """A target of class 0 trains the first output, and the first output is reported as class 0."""
    model = sure(detector("retinanet")).train()
    images, targets = batch()
    with torch.no_grad():
        model.model.head.classification_head.cls_logits.bias[::10] += 10
    assert set(model.eval()(images)[0]["labels"].tolist()) == {0}
    as_first, as_second = (
        model.train()(images, [{"boxes": targets[0]["boxes"], "labels": torch.full((3,), label)}, targets[1]])
        for label in (0, 1)
    )
    assert as_first["classification"] < as_second["classification"]


def test_retinanets_anchors():
    """Nine a point: sides of 4, 5.04 and 6.35 strides, three shapes, rounded to whole pixels by torchvision."""
    generator = detector("retinanet").model.anchor_generator
    assert generator.num_anchors_per_location() == [9, 9, 9]
    squares = [cell[3:6] for cell in generator.cell_anchors]  # ratio 1
    sides = [(boxes[:, 2] - boxes[:, 0]).tolist() for boxes in squares]
    assert sides == [[16, 20, 26], [32, 40, 50], [64, 80, 102]]
