"""CPU seconds of a training step, detectron2's FCOS and RetinaNet beside ours with the same weights and images."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from statistics import median, quantiles

import torch
from detectron2.config import instantiate
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.fcos import FCOS, FCOSHead
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import nn

from triplehead.detectors.build import build
from triplehead.detectron2 import lazy
from triplehead.detectron2.contract import FORMAT, Contract
from triplehead.detectron2.weights import PIXEL_MEAN, PIXEL_STD, Kind, detector_options, to_ours

CLASSES = 80
THEIRS = "detectron2"
NAMES = (THEIRS, "ours", "channels_last")


@dataclass(frozen=True)
class StepTime:
    """`seconds`: median of forward and backward over all images; `ratio`: of that to detectron2's, turn by turn, lower
    quartile, median and upper quartile."""

    seconds: float
    ratio: tuple[float, float, float]


def batch_of(images: list[torch.Tensor], boxes: torch.Tensor) -> list[dict]:
    """What detectron2's models take. images: uint8 [3, H, W] BGR. boxes: [M, 4], of class 0, the same in each."""
    labels = torch.zeros(len(boxes), dtype=torch.long)
    return [
        {"image": image, "instances": Instances(image.shape[1:], gt_boxes=Boxes(boxes), gt_classes=labels)}
        for image in images
    ]


def step_times(kind: Kind, batch: list[dict], repeats: int) -> dict[str, StepTime]:
    """`detectron2`; `ours` in its layout of memory; and ours in `channels_last`, as our engine trains it.

    They take turns, so that a machine's drift meets all, and CPU time leaves out what else runs there. One step each
    comes before.
    """
    models = _models(kind)
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(repeats + 1):
        for name, model in zip(NAMES, models, strict=True):
            seconds[name].append(_step(model, batch))
    found = {}
    for name in NAMES:
        ratios = [own / theirs for own, theirs in zip(seconds[name][1:], seconds[THEIRS][1:], strict=True)]
        low, middle, high = quantiles(ratios, n=4, method="inclusive") if repeats > 1 else ratios * 3
        found[name] = StepTime(median(seconds[name][1:]), (low, middle, high))
    return found


def _models(kind: Kind) -> tuple[nn.Module, nn.Module, nn.Module]:
    theirs = BUILD[kind]()
    mean, std = (tuple(value / 255 for value in reversed(each)) for each in (PIXEL_MEAN, PIXEL_STD))
    ours = build(detector_options(kind), CLASSES, mean, std)
    ours.load_state_dict(to_ours(theirs.state_dict(), ours))
    last = deepcopy(ours).to(memory_format=torch.channels_last)
    return theirs.train(), Contract(ours, 1, FORMAT).train(), Contract(last, 1, FORMAT).train()


def _step(model: nn.Module, batch: list[dict]) -> float:
    model.zero_grad(set_to_none=True)
    begun = time.process_time()
    with EventStorage():
        sum(model(batch).values()).backward()
    return time.process_time() - begun


def fcos() -> FCOS:
    """detectron2's own; it has no configuration of it but a Python file in its checkout."""
    return FCOS(
        backbone=instantiate(lazy.backbone(50, True, 2, "P6 from P5")),
        head=FCOSHead(
            input_shape=[ShapeSpec(channels=256)] * 5,
            num_classes=CLASSES,
            conv_dims=[256] * 4,
            prior_prob=0.01,
            norm="GN",
        ),
        num_classes=CLASSES,
        pixel_mean=PIXEL_MEAN,
        pixel_std=PIXEL_STD,
    )


def _retinanet() -> nn.Module:
    backbone = lazy.backbone(50, True, 2, "P6 from C5")
    return instantiate(lazy.retinanet(backbone, CLASSES, list(PIXEL_MEAN), list(PIXEL_STD), 0.05, 0.5, 100, 1000))


BUILD: dict[Kind, Callable[[], nn.Module]] = {"fcos": fcos, "retinanet": _retinanet}
