"""Seconds of a training step, detectron2's FCOS and RetinaNet beside ours with the same weights and images."""

import time
from collections.abc import Callable
from statistics import median

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


def step_times(images: list[torch.Tensor], boxes: list[torch.Tensor], repeats: int) -> dict[str, dict[str, float]]:
    """Detector -> median seconds of forward and backward over all images, `detectron2` and `ours`, and their `ratio`
    (ours / detectron2). The two take turns, so that a machine's drift meets both; one step each comes before.

    images: uint8 [3, H, W] BGR. boxes: of each [M, 4]; all of class 0.
    """
    batch = []
    for image, each in zip(images, boxes, strict=True):
        truth = Instances(image.shape[1:], gt_boxes=Boxes(each), gt_classes=torch.zeros(len(each), dtype=torch.long))
        batch.append({"image": image, "instances": truth})
    found: dict[str, dict[str, float]] = {}
    models_of: dict[Kind, Callable[[], nn.Module]] = {"fcos": _fcos, "retinanet": _retinanet}
    for kind, build_theirs in models_of.items():
        theirs = build_theirs()
        mean, std = (tuple(value / 255 for value in reversed(each)) for each in (PIXEL_MEAN, PIXEL_STD))
        ours = build(detector_options(kind), CLASSES, mean, std)
        ours.load_state_dict(to_ours(theirs.state_dict(), ours))
        models = {"detectron2": theirs.train(), "ours": Contract(ours, 1, FORMAT).train()}
        seconds: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(repeats + 1):
            for name, model in models.items():
                seconds[name].append(_step(model, batch))
        medians = {name: median(values[1:]) for name, values in seconds.items()}
        found[kind] = medians | {"ratio": medians["ours"] / medians["detectron2"]}
    return found


def _step(model: nn.Module, batch: list[dict]) -> float:
    model.zero_grad(set_to_none=True)
    begun = time.perf_counter()
    with EventStorage():
        sum(model(batch).values()).backward()
    return time.perf_counter() - begun


def _fcos() -> FCOS:
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
