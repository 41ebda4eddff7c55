"""detectron2's own detectors, built as its common configurations build them."""

import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_model
from torch import nn

MEAN, STD = [103.53, 116.28, 123.675], [1.0, 1.0, 1.0]


def from_yaml(architecture: str) -> nn.Module:
    """Base-RetinaNet.yaml and Base-RCNN-FPN.yaml."""
    cfg = get_cfg()
    cfg.MODEL.DEVICE, cfg.MODEL.META_ARCHITECTURE = "cpu", architecture
    cfg.MODEL.RESNETS.DEPTH = 50
    if architecture == "RetinaNet":
        cfg.MODEL.BACKBONE.NAME = "build_retinanet_resnet_fpn_backbone"
        cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res3", "res4", "res5"]
        sizes = [[x, x * 2 ** (1.0 / 3), x * 2 ** (2.0 / 3)] for x in (32, 64, 128, 256, 512)]
        cfg.MODEL.ANCHOR_GENERATOR.SIZES = sizes
        cfg.MODEL.RETINANET.SMOOTH_L1_LOSS_BETA = 0.0
        return build_model(cfg)
    cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
    cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]
    cfg.MODEL.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    cfg.MODEL.RPN.PRE_NMS_TOPK_TEST = cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 1000
    cfg.MODEL.ROI_HEADS.NAME = "StandardROIHeads"
    cfg.MODEL.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_BOX_HEAD.NAME, cfg.MODEL.ROI_BOX_HEAD.NUM_FC = "FastRCNNConvFCHead", 2
    cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    cfg.MODEL.MASK_ON = False
    return build_model(cfg)


@torch.no_grad()
def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Made-up weights under which activations keep their size, scores spread and boxes differ."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            fan = parameter[0].numel()
            regression = any(part in name for part in ("anchor_deltas", "bbox_pred"))
            gain = 2.0 if "bottom_up" in name else 0.1 if regression else 1.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (gain / fan) ** 0.5)
        elif name.endswith("bias"):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    for name, buffer in model.named_buffers():
        if name.endswith("norm.weight"):  # frozen BatchNorm's
            scale = 0.2 if "conv3.norm" in name else 0.01 if "stem" in name else 1.0
            buffer.copy_(scale * (0.9 + 0.2 * torch.rand(buffer.shape, generator=generator)))
        elif name.endswith("norm.bias"):
            buffer.copy_(0.01 * torch.randn(buffer.shape, generator=generator))
    return model
