"""Statements that follow from the paper's equations, layer sizes and counts of images."""

import numpy as np

from triplehead.analysis.audit.outcome import Outcome, number
from triplehead.plan.audit import CodeBase, Epochs, Symbol, Theta
from triplehead.plan.schema import Exhibit

SAMPLES = 10_000  # random losses for each number of boxes
BOXES = (2, 3, 4, 10)

# Of the published architectures: ResNet-50 without its BatchNorms' buffers, FPN and heads of 256 channels.
RESNET50, CHANNELS, CLASSES, LEVELS, HIDDEN = 23_454_912, 256, 80, 5, 1024
STAGES = (256, 512, 1024, 2048)


def theta(check: Theta, _: object = None) -> Outcome:
    """Eq. (5) on random losses: "largest weight, if above θ* or else all the same" against "smallest loss".

    Holds if the threshold changes a decision somewhere.
    """
    generator = np.random.default_rng(0)
    changed = several = 0
    for boxes in BOXES:
        losses = generator.gamma(2.0, size=(SAMPLES, boxes))
        inverse = losses.sum(axis=1, keepdims=True) / losses
        weights = inverse / inverse.sum(axis=1, keepdims=True)
        above = weights > check.theta + 1 / boxes - 0.5  # eq. (6)
        eligible = np.where(above.any(axis=1, keepdims=True), above, True)
        decided = np.where(eligible, weights, 0).argmax(axis=1)
        changed += int((decided != losses.argmin(axis=1)).sum())
        several += int((above.sum(axis=1) > 1).sum())
    stars = ", ".join(f"{check.theta + 1 / boxes - 0.5:.3f} (n = {boxes})" for boxes in BOXES)
    text = (
        f"{changed} of {len(BOXES) * SAMPLES:,} random samples go elsewhere than to the smallest loss, {several:,} "
        f"have more than one box above θ*; θ* at θ = {check.theta:g}: {stars}"
    )
    return Outcome(changed > 0, text)


def symbol(check: Symbol) -> Outcome:
    """A symbol has the same value wherever the paper gives it one."""
    text = "; ".join(f"{where}: {value:g}" for where, value in check.values.items())
    return Outcome(len(set(check.values.values())) == 1, text)


def epochs(check: Epochs) -> Outcome:
    """Passes over the images under each count; holds if they are the same."""
    passes = {how: check.iterations * check.batch_size / images for how, images in check.images.items()}
    text = "; ".join(
        f"{check.iterations:,} × {check.batch_size} / {check.images[how]:,} = {number(value)} ({how})"
        for how, value in passes.items()
    )
    return Outcome(max(passes.values()) - min(passes.values()) < 0.5, text)


def code_base(check: CodeBase, exhibits: dict[str, Exhibit]) -> Outcome:
    """The printed counts against Detectron2's, which has no learned scales and no box for the background class."""
    printed = {row.label: row.published["parameters"] for row in exhibits[check.exhibit].rows}
    fcos, faster = fcos_parameters(scales=0), faster_rcnn_parameters(CLASSES)
    lines = [
        f"{label}: {number(printed[label])} printed, {number(ours)} in Detectron2, difference "
        f"{printed[label] - ours:,} ({meaning})"
        for label, ours, meaning in (
            ("FCOS", fcos, f"a scale for each of {LEVELS} levels is {fcos_parameters(LEVELS) - fcos}"),
            ("Faster R-CNN", faster, f"an 81st class's box is {faster_rcnn_parameters(CLASSES + 1) - faster:,}"),
        )
    ]
    return Outcome((printed["FCOS"], printed["Faster R-CNN"]) == (fcos, faster), "; ".join(lines))


def fcos_parameters(scales: int) -> int:
    """FCOS on ResNet-50 with FPN P3 to P7; two towers of four convolutions with bias and GroupNorm."""
    tower = 4 * (_convolution(CHANNELS, CHANNELS) + 2 * CHANNELS)
    outputs = sum(_convolution(CHANNELS, width) for width in (CLASSES, 4, 1))
    extra = 2 * _convolution(CHANNELS, CHANNELS)  # P6, P7
    return RESNET50 + _fpn(STAGES[1:]) + extra + 2 * tower + outputs + scales


def faster_rcnn_parameters(boxed: int) -> int:
    """Faster R-CNN on ResNet-50 with FPN P2 to P6 and three anchors; `boxed`: classes that predict a box."""
    rpn = _convolution(CHANNELS, CHANNELS) + _convolution(CHANNELS, 3 + 12, size=1)
    second_stage = (7 * 7 * CHANNELS + 1) * HIDDEN + (HIDDEN + 1) * HIDDEN
    outputs = (HIDDEN + 1) * (CLASSES + 1 + 4 * boxed)
    return RESNET50 + _fpn(STAGES) + rpn + second_stage + outputs


def _convolution(inputs: int, outputs: int, size: int = 3) -> int:
    return (size * size * inputs + 1) * outputs


def _fpn(stages: tuple[int, ...]) -> int:
    return sum(_convolution(stage, CHANNELS, size=1) + _convolution(CHANNELS, CHANNELS) for stage in stages)
