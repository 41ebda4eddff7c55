"""Our compositions against torchvision's FCOS and RetinaNet, on the same predictions and boxes."""

from types import SimpleNamespace

import pytest
import torch
from torchvision.models.detection import fcos, retinanet
from torchvision.models.detection._utils import BoxLinearCoder

from triplehead.detectors.anchors import square_anchors
from triplehead.detectors.assigners import FCOSAssigner, MaxIoUAssigner
from triplehead.detectors.boxes import Predictions, ltrb_to_boxes, make_points
from triplehead.detectors.heads.fcos import FCOSHead
from triplehead.detectors.losses import dense_losses
from triplehead.detectors.postprocess import detect
from triplehead.plan import options as plan

CLASSES = 7
STRIDES = [8, 16, 32, 64, 128]
SIZES = [(512 // stride, 640 // stride) for stride in STRIDES]
POINTS = make_points(SIZES, STRIDES)
N = len(POINTS.xy)


def scene(seed: int, *counts: int) -> tuple[Predictions, torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Random outputs, the distances behind their boxes in strides, and boxes of all sizes."""
    g = torch.Generator().manual_seed(seed)
    targets = []
    for count in counts:
        center = torch.rand(count, 2, generator=g) * torch.tensor([640.0, 512])
        half = torch.exp(2 + 3 * torch.rand(count, 2, generator=g))  # 7 to 148 pixels
        boxes = torch.cat([center - half, center + half], dim=1).clamp(min=0)
        boxes = torch.minimum(boxes, torch.tensor([640.0, 512, 640, 512]))
        targets.append({"boxes": boxes, "labels": torch.randint(CLASSES, (count,), generator=g)})
    ltrb = 4 * torch.rand(len(counts), N, 4, generator=g)
    logits, quality = torch.randn(len(counts), N, CLASSES, generator=g), torch.randn(len(counts), N, generator=g)
    boxes = ltrb_to_boxes(POINTS.xy, ltrb * POINTS.stride[:, None])
    return Predictions(logits, boxes, None, quality), ltrb, targets


@pytest.mark.parametrize("seed", range(4))
def test_fcos_assignment_and_losses(seed):
    """Centre sampling of 1.5 strides, GIoU without weights: where torchvision's definition and ours agree.

    torchvision breaks ties of area in float32, about 8 square pixels; the boxes here differ by more.
    """
    predictions, ltrb, targets = scene(seed, 20, 0, 9)
    anchors = square_anchors(POINTS, 1.0)
    theirs = fcos.FCOSHead(32, 1, CLASSES)
    seen = []

    def compute_loss(targets, outputs, anchors, matched):
        seen.extend(matched)
        return theirs.compute_loss(targets, outputs, anchors, matched)

    outputs = {
        "cls_logits": predictions.logits,
        "bbox_regression": ltrb,
        "bbox_ctrness": predictions.quality[..., None],
    }
    model = SimpleNamespace(center_sampling_radius=1.5, head=SimpleNamespace(compute_loss=compute_loss))
    per_level = [height * width for height, width in SIZES]
    expected = fcos.FCOS.compute_loss(model, targets, outputs, [anchors] * 3, per_level)

    assigner = FCOSAssigner(plan.FCOSAssigner(center_radius=1.5))
    matched = assigner(predictions, POINTS, targets, 0.0)
    assert torch.equal(matched, torch.stack(seen)) and (matched >= 0).sum() > 50
    options = plan.Loss(box="giou")
    weighted = dense_losses(predictions, POINTS, targets, matched, options, "centerness", False)
    plain = dense_losses(predictions, POINTS, targets, matched, options, "none", False)
    torch.testing.assert_close(weighted["classification"], expected["classification"])
    torch.testing.assert_close(weighted["quality"], expected["bbox_ctrness"])
    torch.testing.assert_close(plain["box"], expected["bbox_regression"])


@pytest.mark.parametrize("seed", range(4))
def test_retinanet_assignment_and_classification_loss(seed):
    """One square anchor a point, one image: torchvision normalises per image, we by the batch's positives."""
    predictions, _, targets = scene(seed, 25)
    anchors = square_anchors(POINTS, 4.0)
    head = retinanet.RetinaNetHead(32, 1, CLASSES)
    seen = []

    def compute_loss(targets, outputs, anchors, matched):
        seen.extend(matched)
        return {"classification": head.classification_head.compute_loss(targets, outputs, matched)}

    model = SimpleNamespace(
        proposal_matcher=retinanet.det_utils.Matcher(0.5, 0.4, allow_low_quality_matches=True),
        head=SimpleNamespace(compute_loss=compute_loss),
    )
    expected = retinanet.RetinaNet.compute_loss(model, targets, {"cls_logits": predictions.logits}, [anchors])
    matched = MaxIoUAssigner(plan.MaxIoU(low_quality="all"))(predictions, POINTS, targets, 0.0)
    assert torch.equal(matched[0], seen[0])
    assert {-2, -1} < set(matched.unique().tolist())
    losses = dense_losses(predictions, POINTS, targets, matched, plan.Loss(), "none", False)
    torch.testing.assert_close(losses["classification"], expected["classification"])


def test_fcos_head():
    """The same weights and features: outputs and gradients. Distances in strides by relu, centerness beside them."""
    g = torch.Generator().manual_seed(0)
    options = plan.FCOSHead(
        quality="centerness", centerness_on="regression", box_unit="stride", box_activation="relu", num_convs=4
    )
    ours, theirs = FCOSHead(options, 64, CLASSES, STRIDES), fcos.FCOSHead(64, 1, CLASSES)
    cls, reg = theirs.classification_head, theirs.regression_head
    pairs = [(ours.cls_tower, cls.conv), (ours.reg_tower, reg.conv), (ours.classifier, cls.cls_logits),
             (ours.regressor, reg.bbox_reg), (ours.quality, reg.bbox_ctrness)]  # fmt: skip
    same = [both for parts in pairs for both in zip(*(part.parameters() for part in parts), strict=True)]
    with torch.no_grad():
        for own, other in same:
            own.copy_(other.normal_(std=0.1, generator=g))
    features = [torch.randn(2, 64, height // 4, width // 4, generator=g) for height, width in SIZES]
    points = make_points([(height // 4, width // 4) for height, width in SIZES], STRIDES)
    found, expected = ours(features, points), theirs(features)
    boxes = torch.stack(
        [BoxLinearCoder(True).decode(image, square_anchors(points, 1.0)) for image in expected["bbox_regression"]]
    )
    assert (expected["bbox_regression"] > 0).float().mean() > 0.3
    outputs = [(found.logits, expected["cls_logits"]), (found.boxes, boxes),
               (found.quality, expected["bbox_ctrness"].squeeze(2))]  # fmt: skip
    upstream = [torch.randn(own.shape, generator=g) for own, _ in outputs]
    for own, other in outputs:
        assert (own - other).abs().max() <= 1e-6 * other.abs().max()
    gradients = (
        torch.autograd.grad(
            sum((each[side] * up).sum() for each, up in zip(outputs, upstream, strict=True)),
            [each[side] for each in same],
        )
        for side in (0, 1)
    )
    for own, other in zip(*gradients, strict=True):
        assert (own - other).abs().max() <= 1e-5 * other.abs().max()


@pytest.mark.parametrize("limits", [{}, {"pre_nms": 50, "max_detections": 1000, "nms_iou": 0.3}])
def test_post_processing(limits):
    """From raw predictions to detections: torchvision keeps classes by their score, so the threshold is 0 here, and
    boxes beside the image, which there are none of. In float64, which has no near-ties."""
    raw, ltrb, _ = scene(5, 1, 1)
    logits, quality, ltrb = raw.logits.double(), raw.quality.double(), ltrb.double()
    predictions = Predictions(logits, ltrb_to_boxes(POINTS.xy, ltrb * POINTS.stride[:, None]), None, quality)
    options = plan.Postprocess(score_threshold=0.0, **limits)
    model = SimpleNamespace(score_thresh=0.0, nms_thresh=options.nms_iou, topk_candidates=options.pre_nms,
                            detections_per_img=options.max_detections, box_coder=BoxLinearCoder(True))  # fmt: skip
    outputs = {"cls_logits": logits, "bbox_regression": ltrb, "bbox_ctrness": quality[..., None]}
    outputs = {name: list(POINTS.split(values)) for name, values in outputs.items()}
    anchors = list(POINTS.split(square_anchors(POINTS, 1.0).double(), dim=0))
    sizes = [(512, 640)] * 2
    expected = fcos.FCOS.postprocess_detections(model, outputs, [anchors] * 2, sizes)
    for found, wanted in zip(detect(predictions, POINTS, sizes, options), expected, strict=True):
        assert torch.equal(found["labels"], wanted["labels"]) and len(found["labels"]) >= 100
        torch.testing.assert_close(found["scores"], wanted["scores"], rtol=0, atol=1e-15)
        torch.testing.assert_close(found["boxes"], wanted["boxes"], rtol=0, atol=1e-12)
