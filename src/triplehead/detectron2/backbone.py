"""detectron2's backbones: one for our detectors, and how our detectors take theirs."""

from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone, build_resnet_backbone
from detectron2.modeling.backbone.fpn import LastLevelP6P7
from torch import Tensor

from triplehead.detectors.backbone import Pyramid


class TheirBackbone(Pyramid):
    """A detectron2 backbone behind our contract: images [B, 3, H, W] -> levels, finest first; `channels`, `strides`."""

    def __init__(self, pyramid: Backbone):
        super().__init__()
        self.pyramid, shapes = pyramid, pyramid.output_shape()
        self.names = sorted(shapes, key=lambda name: shapes[name].stride)
        self.strides = [shapes[name].stride for name in self.names]
        self.channels = shapes[self.names[0]].channels

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.pyramid(images)
        return [features[name] for name in self.names]


@BACKBONE_REGISTRY.register()
def build_triplehead_resnet_fpn_backbone(cfg, input_shape: ShapeSpec) -> FPN:
    """ResNet and FPN with P6 and P7 convolved from P5 (detectron2's RetinaNet has them from C5), as FCOS wants them."""
    channels = cfg.MODEL.FPN.OUT_CHANNELS
    return FPN(
        bottom_up=build_resnet_backbone(cfg, input_shape),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=channels,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelP6P7(channels, channels, in_feature="p5"),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )
