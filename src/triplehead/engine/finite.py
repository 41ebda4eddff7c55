"""Whether what a model says are numbers: what is none passes no threshold, and looks like an image without objects."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from triplehead.detectors.boxes import FinalBoxes, Predictions
from triplehead.errors import InputError

HEADS = ("head", "model.head", "model.rpn.head", "model.roi_heads.box_predictor")  # ours, torchvision's


@contextmanager
def all_finite(detector: nn.Module, run_id: str) -> Iterator[None]:
    """Watch what the heads say in evaluation. Raises InputError, as the block ends, with the number of images for which
    a logit or a box was not finite."""
    detector = getattr(detector, "module", detector)  # out of Fabric's wrapper
    sound, seen, bad = [True], 0, 0

    def begin(*_: Any) -> None:
        sound[:] = [True]

    def watch(module: nn.Module, given: Any, output: Any) -> None:
        sound.append(_finite(output))
        if isinstance(output, Predictions) and isinstance(boxes := output.given_boxes, FinalBoxes):
            boxes.of = _watched(boxes.of, sound)  # type: ignore[assignment]

    def end(module: nn.Module, given: tuple[list[Tensor]], output: Any) -> None:
        nonlocal seen, bad
        images = given[0]
        if len(images) == 1 or all(sound):
            seen, bad = seen + len(images), bad + (not all(sound))
        else:
            for image in images:  # which of them it is
                module([image])

    modules = dict(detector.named_modules())
    hooks = [detector.register_forward_pre_hook(begin), detector.register_forward_hook(end)]
    hooks += [modules[name].register_forward_hook(watch) for name in HEADS if name in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    if bad:
        problem = "logits or boxes are not finite; its weights ran away: lower its learning rate, or clip its gradients"
        raise InputError(run_id, f"on {bad} of {seen} images {problem}")


def _watched(of: Callable[[Tensor, Tensor], Tensor], sound: list[bool]) -> Callable[[Tensor, Tensor], Tensor]:
    """Boxes that are computed only once candidates are known."""

    def watched(image: Tensor, sample: Tensor) -> Tensor:
        boxes = of(image, sample)
        sound.append(_finite(boxes))
        return boxes

    return watched


def _finite(values: Any) -> bool:
    if isinstance(values, Tensor):
        return bool(torch.isfinite(values).all())
    if isinstance(values, Predictions):
        return _finite(vars(values))
    if isinstance(values, Mapping):
        return all(map(_finite, values.values()))
    return all(map(_finite, values)) if isinstance(values, list | tuple) else True
