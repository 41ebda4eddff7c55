"""Our dense detectors as META_ARCH of detectron2, on its backbones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from detectron2.config import configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from omegaconf import OmegaConf

from triplehead.detectors.assigners import build_assigner
from triplehead.detectors.dense import DenseDetector, Normalize
from triplehead.detectors.heads import build_head
from triplehead.detectron2.backbone import TheirBackbone
from triplehead.detectron2.config import chosen
from triplehead.detectron2.contract import Contract
from triplehead.errors import InputError
from triplehead.plan.documents import Layer, validate
from triplehead.plan.options import Dense

LEVELS = 5


@META_ARCH_REGISTRY.register()
class TripleHead(Contract):
    """Any head with any assigner on a detectron2 feature pyramid of five levels.

    head, assigner, loss, postprocess: the options of this suite by name (`plan/options/`), over the class's own
    defaults. pixel_mean, pixel_std: of 0..255, in the order of `input_format`. Raises InputError for options that do
    not exist or do not fit each other.
    """

    defaults: ClassVar[dict[str, dict[str, Any]]] = {"head": {"name": "triple"}, "assigner": {"name": "jla"}}

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        num_classes: int,
        pixel_mean: list[float],
        pixel_std: list[float],
        iterations: int,
        head: Mapping[str, Any] | None = None,
        assigner: Mapping[str, Any] | None = None,
        loss: Mapping[str, Any] | None = None,
        postprocess: Mapping[str, Any] | None = None,
        input_format: str = "BGR",
    ):
        pyramid = TheirBackbone(backbone)
        given = {"head": head, "assigner": assigner, "loss": loss, "postprocess": postprocess}
        options = self._options(pyramid, {name: _plain(value) for name, value in given.items()})
        order = -1 if input_format == "BGR" else 1
        mean, std = ([value / 255 for value in each][::order] for each in (pixel_mean, pixel_std))
        detector = DenseDetector(
            pyramid,
            build_head(options.head, pyramid.channels, num_classes, pyramid.strides),
            build_assigner(options.assigner, options.loss),
            options.loss,
            options.postprocess,
            Normalize(tuple(mean), tuple(std)),
        )
        super().__init__(detector, iterations, input_format)

    @classmethod
    def from_config(cls, cfg) -> dict[str, Any]:
        return {
            "backbone": build_backbone(cfg),
            "num_classes": cfg.MODEL.TRIPLEHEAD.NUM_CLASSES,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "iterations": cfg.SOLVER.MAX_ITER,
            "input_format": cfg.INPUT.FORMAT,
            **chosen(cfg),
        }

    @classmethod
    def _options(cls, pyramid: TheirBackbone, given: dict[str, dict[str, Any]]) -> Dense:
        if (found := len(pyramid.strides)) != LEVELS:
            raise InputError("MODEL.BACKBONE", f"has {found} levels, expected {LEVELS}, P3 to P7")
        own = {}
        for part, values in cls.defaults.items():  # those of another head or assigner say nothing of this one
            named = given[part].get("name", values["name"]) == values["name"]
            own[part] = values if named else {}
        # For the checks alone that a detector's parts fit its pyramid.
        shape = {"backbone": {"name": "resnet", "depth": 50, "channels": pyramid.channels}}
        source = Path("MODEL.TRIPLEHEAD")
        return validate(Dense, [Layer(source, "", shape), Layer(source, "", own), Layer(source, "", given)])


@META_ARCH_REGISTRY.register()
class TripleHeadFCOS(TripleHead):
    """FCOS as the paper has it."""

    defaults = {"head": {"name": "fcos", "quality": "centerness"}, "assigner": {"name": "fcos"}}


@META_ARCH_REGISTRY.register()
class TripleHeadBaseline(TripleHead):
    """FCOS without centerness, the paper's baseline."""

    defaults = {"head": {"name": "fcos", "quality": "none"}, "assigner": {"name": "fcos"}}


def _plain(value: Any) -> dict[str, Any]:
    """Of yacs or OmegaConf."""
    if value is None:
        return {}
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else dict(value)
