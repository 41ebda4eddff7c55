"""The options of this suite in detectron2's yacs configuration, under MODEL.TRIPLEHEAD."""

from typing import Any

from detectron2.config import CfgNode

from triplehead.plan.options import ASSIGNERS, HEADS, Loss, Options, Postprocess

PARTS = ("head", "assigner", "loss", "postprocess")


def add_triplehead_config(cfg: CfgNode) -> None:
    """Add MODEL.TRIPLEHEAD: NUM_CLASSES and, in HEAD, ASSIGNER, LOSS and POSTPROCESS, every option of `plan/options/`
    in capitals. None is the default of the architecture, or of the option."""
    node = CfgNode({"NUM_CLASSES": 80})
    node.HEAD = _options(*HEADS.values())
    node.ASSIGNER = _options(*ASSIGNERS.values())
    node.LOSS = _options(Loss)
    node.POSTPROCESS = _options(Postprocess)
    cfg.MODEL.TRIPLEHEAD = node


def chosen(cfg: CfgNode) -> dict[str, dict[str, Any]]:
    """What a configuration sets of each part."""
    nodes = {part: cfg.MODEL.TRIPLEHEAD[part.upper()] for part in PARTS}
    return {
        part: {name.lower(): value for name, value in node.items() if value is not None} for part, node in nodes.items()
    }


def _options(*models: type[Options]) -> CfgNode:
    return CfgNode({name.upper(): None for model in models for name in model.model_fields})
