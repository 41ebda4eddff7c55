"""Our compositions against torchvision's FCOS and RetinaNet, on the same predictions and boxes."""

from types import SimpleNamespace

import pytest
import torch
from torchvision.models.detection import fcos, retinanet

from triplehead.detectors.anchors import square_anchors
from triplehead.detectors.assigners import FCOSAssigner, MaxIoUAssigner
from triplehead.detectors.boxes import Predictions, ltrb_to_boxes, make_points
from triplehead.detectors.losses import dense_losses
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
