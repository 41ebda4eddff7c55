"""A run's spec -> its detector."""

import torch
from torch import nn

from triplehead.detectors.assigners import build_assigner
from triplehead.detectors.backbone import build_backbone
from triplehead.detectors.dense import DenseDetector, Normalize
from triplehead.detectors.faster_rcnn import FasterRCNNDetector
from triplehead.detectors.heads import build_head
from triplehead.detectors.retinanet import RetinaNetDetector
from triplehead.plan.options import Detector, FasterRCNN, RetinaNet
from triplehead.plan.runs import RunSpec

AnyDetector = DenseDetector | FasterRCNNDetector | RetinaNetDetector


def build_detector(spec: RunSpec) -> AnyDetector:
    """The detector with its initial weights: the same for the same spec and seed. Global RNG is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        return build(spec.detector, spec.num_classes, spec.input.mean, spec.input.std)


def build(detector: Detector, num_classes: int, mean: tuple[float, ...], std: tuple[float, ...]) -> AnyDetector:
    """A detector that draws its initial weights from the global RNG; mean, std: of RGB pixels of 0..1."""
    if isinstance(detector, FasterRCNN):
        backbone = build_backbone(detector.backbone, two_stage=True)
        return FasterRCNNDetector(
            backbone, num_classes, mean, std, detector.postprocess, detector.second_stage, detector.conventions
        )
    if isinstance(detector, RetinaNet):
        backbone = build_backbone(detector.backbone, p6_from="C5")
        return RetinaNetDetector(backbone, num_classes, mean, std, detector.postprocess, detector.conventions)
    backbone = build_backbone(detector.backbone)
    return DenseDetector(
        backbone,
        build_head(detector.head, backbone.channels, num_classes, backbone.strides),
        build_assigner(detector.assigner, detector.loss),
        detector.loss,
        detector.postprocess,
        Normalize(mean, std),
    )


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters of each part, two levels deep, and `total`. Frozen BatchNorm has buffers, not parameters."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = ".".join(name.split(".")[:2])
        counts[part] = counts.get(part, 0) + parameter.numel()
    return counts | {"total": sum(counts.values())}
