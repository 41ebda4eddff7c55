"""Detectors at work on made-up images, and torchvision's and detectron2's FCOS on the same."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from triplehead.engine import runtime
from triplehead.engine.probe import Probe
from triplehead.plan.options import ResNet
from triplehead.plan.plan import Plan, load_plan
from triplehead.plan.runs import RunSpec


def spec_of(plan: Plan, exhibit: str, label: str, **input_size: int) -> RunSpec:
    """The first seed's run of a row, on images of another size if one is given."""
    spec = plan.specs[exhibit, label][0]
    return spec.model_copy(update={"input": spec.input.model_copy(update=input_size)})


def probe(spec: RunSpec, batch_size: int, objects: int = 7) -> Probe:
    made = Probe(spec, runtime.start(spec, "cpu", spec.schedule.precision), batch_size, objects)
    torch.set_num_threads(1)  # whatever the scale asks for
    return made


def paper_probe(exhibit: str, label: str, batch_size: int, short: int, long: int, objects: int = 7) -> Probe:
    return probe(spec_of(load_plan({"scale": "paper"}), exhibit, label, short=short, long=long), batch_size, objects)


class Torchvision:
    """torchvision's FCOS on a probe's images, with torchvision's ResNet, as deep and as much of it frozen as the
    probe's, or with one made like the probe's, whose frozen norms are folded."""

    def __init__(self, like: Probe, our_backbone: bool = False):
        spec = like.spec
        resnet = spec.detector.backbone
        assert isinstance(resnet, ResNet)
        if our_backbone:
            backbone = _Named(deepcopy(like.detector.backbone))
        else:
            backbone = resnet_fpn_backbone(
                backbone_name=f"resnet{resnet.depth}",
                weights=None,
                trainable_layers=5 - resnet.frozen_stages,
                returned_layers=[2, 3, 4],
                extra_blocks=LastLevelP6P7(resnet.channels, resnet.channels),
            )
        sizes = tuple((stride,) for stride in like.detector.backbone.strides)
        generator = AnchorGenerator(sizes, ((1.0,),) * len(sizes))
        short, long = spec.input.short, spec.input.long
        self.model = FCOS(backbone, spec.num_classes, min_size=short, max_size=long, anchor_generator=generator)
        self.step = step_of(self.model.to(memory_format=torch.channels_last), like.images, like.targets)


class _Named(nn.Module):
    """A pyramid in the form that torchvision's detectors ask for."""

    def __init__(self, pyramid: nn.Module):
        super().__init__()
        self.pyramid, self.out_channels = pyramid, pyramid.channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {str(level): feature for level, feature in enumerate(self.pyramid(images))}


class Detectron2:
    """detectron2's FCOS as its own configuration has it, in its layout of memory, on a probe's images. ImportError
    where it is not installed."""

    def __init__(self, like: Probe):
        from detectron2.utils.events import EventStorage

        from triplehead.detectron2.steptime import batch_of, fcos

        batch = [
            batch_of([255 * image.flip(0)], target["boxes"])[0]
            for image, target in zip(like.images, like.targets, strict=True)
        ]
        step = step_of(fcos(), batch)

        def stored() -> None:
            with EventStorage():
                step()

        self.step = stored


def step_of(model: nn.Module, *batch: object) -> Callable[[], None]:
    """A training step of `model` on a batch, losses to optimiser, at the rate 0."""
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.0, momentum=0.9)

    def step() -> None:
        losses: dict[str, Tensor] = model(*batch)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()

    return step
