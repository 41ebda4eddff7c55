"""Weights of detectron2's FCOS, RetinaNet and Faster R-CNN as ours, and ours as theirs.

Of each of our parameters `their_name` says what it is called there; what has another shape or order there is turned in
`_IMPORT` and back in `_EXPORT`.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from detectron2.model_zoo import get_checkpoint_url
from detectron2.utils.file_io import PathManager
from torch import Tensor, nn

from triplehead.detectors.build import build
from triplehead.engine import array_pickles, checkpoint
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.documents import Layer, validate
from triplehead.plan.options import Detector

Kind = Literal["fcos", "retinanet", "faster_rcnn"]
# Of 0..255 in BGR order: those of detectron2's configurations, for weights that come from MSRA's.
PIXEL_MEAN, PIXEL_STD = (103.53, 116.28, 123.675), (1.0, 1.0, 1.0)
# What a checkpoint may hold beside its weights: they follow from its configuration.
CONSTANTS = re.compile(r"pixel_(mean|std)|.*anchor_generator\.cell_anchors\.\d+|.*num_batches_tracked")

OPTIONS: dict[Kind, dict[str, Any]] = {
    "fcos": {
        "architecture": "dense",
        "head": {
            "name": "fcos",
            "quality": "centerness",
            "centerness_on": "regression",
            "box_unit": "stride",
            "box_activation": "relu",
        },
        "assigner": {"name": "fcos", "center_radius": 1.5},
        "loss": {"box": "giou"},
        "postprocess": {"rule": "detectron2", "score_threshold": 0.2},
    },
    "retinanet": {"architecture": "retinanet", "conventions": "detectron2"},
    "faster_rcnn": {"architecture": "faster_rcnn", "conventions": "detectron2"},
}


def detector_options(kind: Kind, depth: int = 50, stride_in_1x1: bool = True) -> Detector:
    """Our detector that computes what detectron2's does. stride_in_1x1: as in MSRA's ResNets, of which its model zoo
    starts, or in the 3x3 convolution, as in torchvision's."""
    weights = "msra" if stride_in_1x1 else "torchvision"
    backbone = {"name": "resnet", "depth": depth, "weights": weights}
    return validate(Detector, Layer(Path("detectron2"), kind, {"backbone": backbone} | OPTIONS[kind]))


def load_detectron2(
    source: str,
    kind: Kind,
    num_classes: int = 80,
    depth: int = 50,
    stride_in_1x1: bool = True,
    pixel_mean: tuple[float, ...] = PIXEL_MEAN,
    pixel_std: tuple[float, ...] = PIXEL_STD,
) -> nn.Module:
    """Our detector, in evaluation mode, with the weights of a detectron2 checkpoint.

    source: a file, an address, or the name of a configuration in detectron2's model zoo
    (COCO-Detection/retinanet_R_50_FPN_1x.yaml), which is fetched. pixel_mean, pixel_std: of BGR pixels of 0..255.
    Raises InputError for a source that cannot be read and weights that do not fit.
    """
    mean, std = (tuple(value / 255 for value in reversed(each)) for each in (pixel_mean, pixel_std))
    model = build(detector_options(kind, depth, stride_in_1x1), num_classes, mean, std)
    model.load_state_dict(to_ours(read(source), model, source))
    return model.eval()


def read(source: str) -> dict[str, Tensor]:
    """The weights in a checkpoint of detectron2: .pth, or .pkl of its model zoo."""
    address = _address(source)
    try:
        with PathManager.open(address, "rb") as file:
            if address.endswith(".pkl"):
                loaded = array_pickles.load(file)
            elif checkpoint.is_packed(file):
                raise ValueError(checkpoint.PACKED)
            else:
                loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # no such file, no network, broken bytes: of a dozen types
        raise InputError(source, f"is no checkpoint that can be read ({_line(error)})") from error
    weights = loaded.get("model", loaded) if isinstance(loaded, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise InputError(source, "holds no weights")
    for name, value in weights.items():
        if not isinstance(value, (np.ndarray, np.generic, Tensor)):  # lists in lists may stand for any number of values
            raise InputError(source, f"{name} is no array of numbers")
    return {name: torch.as_tensor(value) for name, value in weights.items()}


def write(model: nn.Module, path: Path) -> None:
    """`to_theirs` as a file that DetectionCheckpointer loads."""
    with atomic(path) as file:
        torch.save({"model": to_theirs(model), "__author__": "triplehead"}, file)


def to_ours(theirs: dict[str, Tensor], model: nn.Module, source: str = "weights") -> dict[str, Tensor]:
    """A state dict of `model` from detectron2's. Raises InputError where a weight is missing, left over or of another
    shape."""
    found, used = {}, set()
    for name, value in model.state_dict().items():
        other = their_name(name, _first_level(model))
        if other is None:  # a Scale, which detectron2's FCOS has none of: learns nothing, changes nothing
            found[name] = torch.ones_like(value)
            continue
        if other not in theirs:
            raise InputError(source, f"{other} is missing")
        used.add(other)
        # Before they become numbers: a file of a few bytes can say any size. Turning adds or takes a class at most.
        fits = theirs[other].numel() <= 2 * value.numel()
        turned = _turned(_IMPORT, name, theirs[other].float()) if fits else None
        if turned is None or turned.shape != value.shape:
            shape, expected = tuple(theirs[other].shape), tuple(value.shape)
            raise InputError(source, f"{other} is of shape {shape}, which does not make {expected}")
        found[name] = turned
    if left := sorted(name for name in theirs.keys() - used if not CONSTANTS.fullmatch(name)):
        raise InputError(source, f"holds {left[0]}, which this detector has no place for ({len(left)} such)")
    return found


def to_theirs(model: nn.Module) -> dict[str, Tensor]:
    """The weights of one of our FCOS, RetinaNet or Faster R-CNN under detectron2's names.

    Raises InputError for a head that detectron2 has no class for (load it there as META_ARCH TripleHead), and for
    scales that differ by level, which its FCOS lacks; equal ones become part of the regression's weights.
    """
    state, weights = model.state_dict(), {}
    scales = [value for name, value in state.items() if "scale.factors" in name]
    if any(not torch.equal(scale, scales[0]) for scale in scales):
        raise InputError("head.scale", "differs by level, and detectron2's FCOS has no scales")
    for name, value in state.items():
        other = their_name(name, _first_level(model))
        if other is not None:
            value = value * scales[0] if scales and name.startswith("head.regressor.") else value
            weights[other] = _turned(_EXPORT, name, value).clone()
        elif "scale.factors" not in name:
            raise InputError(name, "has no counterpart among detectron2's own detectors")
    return weights


_TOWERS = {"cls_tower": "cls_subnet", "reg_tower": "bbox_subnet"}
_OUTPUTS = {"classifier": "cls_score", "regressor": "bbox_pred", "quality": "ctrness"}
_RETINA = {"classification_head": "cls", "regression_head": "bbox"}
_KINDS = {"cls_logits": "cls_score", "bbox_reg": "bbox_pred", "bbox_pred": "bbox_pred"}


def their_name(name: str, first_level: int = 3) -> str | None:
    """What detectron2 calls one of our parameters or buffers; none where it has no such thing.

    first_level: of the pyramid's, P3 in one-stage detectors, P2 in Faster R-CNN.
    """
    if match := re.fullmatch(_FPN + r"(inner|layer)_blocks\.(\d)\.0\.(\w+)", name):
        return f"backbone.fpn_{_FPN_PARTS[match[1]]}{int(match[2]) + first_level}.{match[3]}"
    for pattern, rule in _NAMES:
        if match := re.fullmatch(pattern, name):
            return rule(match)
    return None


# (pattern of our name, what makes theirs of it). torchvision's detectors hold our backbone in model.backbone.
_BODY = r"(?:model\.backbone\.)?backbone\.fpn\.body\."
_FPN = r"(?:model\.backbone\.)?backbone\.fpn\.fpn\."
_UP = "backbone.bottom_up"
_FPN_PARTS = {"inner": "lateral", "layer": "output"}
_NAMES: list[tuple[str, Callable[[re.Match], str]]] = [
    (_BODY + r"conv1\.(\w+)", lambda m: f"{_UP}.stem.conv1.{m[1]}"),
    (_BODY + r"bn1\.(\w+)", lambda m: f"{_UP}.stem.conv1.norm.{m[1]}"),
    (_BODY + r"layer(\d)\.(\d+)\.(conv\d)\.(\w+)", lambda m: f"{_UP}.res{int(m[1]) + 1}.{m[2]}.{m[3]}.{m[4]}"),
    (_BODY + r"layer(\d)\.(\d+)\.bn(\d)\.(\w+)", lambda m: f"{_UP}.res{int(m[1]) + 1}.{m[2]}.conv{m[3]}.norm.{m[4]}"),
    (_BODY + r"layer(\d)\.(\d+)\.downsample\.0\.(\w+)", lambda m: f"{_UP}.res{int(m[1]) + 1}.{m[2]}.shortcut.{m[3]}"),
    (
        _BODY + r"layer(\d)\.(\d+)\.downsample\.1\.(\w+)",
        lambda m: f"{_UP}.res{int(m[1]) + 1}.{m[2]}.shortcut.norm.{m[3]}",
    ),
    (_FPN + r"extra_blocks\.(p[67])\.(\w+)", lambda m: f"backbone.top_block.{m[1]}.{m[2]}"),
    (
        r"head\.(cls_tower|reg_tower)\.blocks\.(\d)\.conv\.(\w+)",
        lambda m: f"head.{_TOWERS[m[1]]}.{3 * int(m[2])}.{m[3]}",
    ),
    (
        r"head\.(cls_tower|reg_tower)\.blocks\.(\d)\.norm\.(\w+)",
        lambda m: f"head.{_TOWERS[m[1]]}.{3 * int(m[2]) + 1}.{m[3]}",
    ),
    (r"head\.(classifier|regressor|quality)\.(\w+)", lambda m: f"head.{_OUTPUTS[m[1]]}.{m[2]}"),
    (r"model\.head\.(\w+_head)\.conv\.(\d)\.0\.(\w+)", lambda m: f"head.{_RETINA[m[1]]}_subnet.{2 * int(m[2])}.{m[3]}"),
    (r"model\.head\.\w+_head\.(cls_logits|bbox_reg)\.(\w+)", lambda m: f"head.{_KINDS[m[1]]}.{m[2]}"),
    (r"model\.rpn\.head\.conv\.0\.0\.(\w+)", lambda m: f"proposal_generator.rpn_head.conv.{m[1]}"),
    (r"model\.rpn\.head\.cls_logits\.(\w+)", lambda m: f"proposal_generator.rpn_head.objectness_logits.{m[1]}"),
    (r"model\.rpn\.head\.bbox_pred\.(\w+)", lambda m: f"proposal_generator.rpn_head.anchor_deltas.{m[1]}"),
    (r"model\.roi_heads\.box_head\.fc([67])\.(\w+)", lambda m: f"roi_heads.box_head.fc{int(m[1]) - 5}.{m[2]}"),
    (
        r"model\.roi_heads\.box_predictor\.(cls_score|bbox_pred)\.(\w+)",
        lambda m: f"roi_heads.box_predictor.{m[1]}.{m[2]}",
    ),
]


def _first_level(model: nn.Module) -> int:
    backbone: Any = model.backbone
    return round(math.log2(backbone.strides[0]))


def _flip_colours(value: Tensor) -> Tensor:
    """RGB <-> BGR."""
    return value.flip(1)


def _background_first(value: Tensor) -> Tensor:
    return value.roll(1, dims=0)


def _background_last(value: Tensor) -> Tensor:
    return value.roll(-1, dims=0)


def _with_background(value: Tensor) -> Tensor:
    """Four rows more, which torchvision's second stage has for the background and never reads."""
    return torch.cat([value.new_zeros(4, *value.shape[1:]), value])


def _without_background(value: Tensor) -> Tensor:
    return value[4:]


_STEM, _SCORE = _BODY + r"conv1\.weight", r"model\.roi_heads\.box_predictor\.cls_score\.\w+"
_BOX = r"model\.roi_heads\.box_predictor\.bbox_pred\.\w+"
Turns = dict[str, Callable[[Tensor], Tensor]]
_IMPORT: Turns = {_STEM: _flip_colours, _SCORE: _background_first, _BOX: _with_background}
_EXPORT: Turns = {_STEM: _flip_colours, _SCORE: _background_last, _BOX: _without_background}


def _turned(turns: Turns, name: str, value: Tensor) -> Tensor:
    turn = next((turn for pattern, turn in turns.items() if re.fullmatch(pattern, name)), None)
    return value if turn is None else turn(value)


def _address(source: str) -> str:
    """A model zoo's configuration by the address of its weights; anything else is one already."""
    if not source.endswith((".yaml", ".py")):
        return source
    try:
        return get_checkpoint_url(source)
    except RuntimeError:
        raise InputError(source, "is no configuration of which detectron2's model zoo has weights") from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
