"""Feature pyramids: images [B, 3, H, W] -> list of [B, channels, H/stride, W/stride]."""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.models.resnet import ResNet as Body
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from triplehead.plan.options import Backbone, ResNet, Tiny


class Pyramid(nn.Module):
    """What a detector asks of its backbone: images [B, 3, H, W] -> levels, finest first."""

    channels: int
    strides: list[int]


BLOCKS = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}  # of each stage, by depth
STAGES = ("conv1", "layer1", "layer2", "layer3", "layer4")


class FoldedBottleneck(Bottleneck):
    """torchvision's, with each frozen BatchNorm folded into its convolution: no pass over a map for a norm."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, 4 * planes, H / stride, W / stride]."""
        identity = x if self.downsample is None else normed_conv(x, *self.downsample)
        out = normed_conv(x, self.conv1, self.bn1).relu_()
        out = normed_conv(out, self.conv2, self.bn2).relu_()
        return normed_conv(out, self.conv3, self.bn3).add_(identity).relu_()


def normed_conv(x: Tensor, conv: nn.Conv2d, norm: FrozenBatchNorm2d) -> Tensor:
    """`norm(conv(x))` but for rounding: frozen, a norm is a factor and a shift of each of the kernel's outputs."""
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * factor
    return conv2d(x, conv.weight * factor.view(-1, 1, 1, 1), shift, conv.stride, conv.padding)


class ResNetFPN(Pyramid):
    """ResNet-50/101 with frozen BatchNorm and FPN; `body` is the ResNet.

    One-stage detectors use P3-P7 (strides 8-128) with P6 convolved from P5, as FCOS and ATSS, or from the body's
    last stage C5, as RetinaNet, and P7 from P6; two-stage ones P2-P5 and a pooled P6 (strides 4-64).
    """

    def __init__(self, options: ResNet, two_stage: bool = False, p6_from: Literal["P5", "C5"] = "P5"):
        super().__init__()
        channels = options.channels
        p6_channels = channels if p6_from == "P5" else 2048  # by which LastLevelP6P7 tells the two apart
        self.channels = channels
        self.strides = [4, 8, 16, 32, 64] if two_stage else [8, 16, 32, 64, 128]
        # First, as torchvision builds them: what a seed draws for each stays the same.
        extra = LastLevelMaxPool() if two_stage else LastLevelP6P7(p6_channels, channels)
        body = Body(FoldedBottleneck, BLOCKS[options.depth], norm_layer=FrozenBatchNorm2d)
        for stage in STAGES[: options.frozen_stages]:
            body.get_submodule(stage).requires_grad_(False)
        returned = [1, 2, 3, 4] if two_stage else [2, 3, 4]
        self.fpn = BackboneWithFPN(
            body,
            return_layers={f"layer{stage}": str(level) for level, stage in enumerate(returned)},
            in_channels_list=[128 * 2**stage for stage in returned],
            out_channels=channels,
            extra_blocks=extra,
        )
        if options.stride_in_1x1:
            for stage in ("layer2", "layer3", "layer4"):
                first, second = (self.body.get_submodule(f"{stage}.0.{name}") for name in ("conv1", "conv2"))
                first.stride, second.stride = second.stride, first.stride

    @property
    def body(self) -> nn.Module:
        """The ResNet alone, which pretrained weights are loaded into."""
        return self.fpn.body

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images [B, 3, H, W] -> a map [B, channels, H / stride, W / stride] a level."""
        return list(self.fpn(images).values())


class TinyBody(nn.Module):
    """Stem and three basic blocks: strides 4, 8, 16."""

    def __init__(self, widths: tuple[int, int, int]):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(True)
        )
        self.stages = nn.ModuleList()
        for before, after in zip((widths[0], *widths), widths, strict=False):
            shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after))
            self.stages.append(BasicBlock(before, after, stride=2, downsample=shortcut))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images [B, 3, H, W] -> what each stage gives, [B, width, H / stride, W / stride]."""
        x, features = self.stem(images), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class TinyFPN(Pyramid):
    """The embedded scales' backbone: `TinyBody` with a three-level FPN."""

    def __init__(self, options: Tiny):
        super().__init__()
        self.channels = options.channels
        self.strides = [4, 8, 16]
        self.body = TinyBody(options.widths)
        self.fpn = FeaturePyramidNetwork(list(options.widths), options.channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images [B, 3, H, W] -> a map [B, channels, H / stride, W / stride] a level."""
        features = self.body(images)
        return list(self.fpn({str(level): feature for level, feature in enumerate(features)}).values())


def build_backbone(
    options: Backbone, two_stage: bool = False, p6_from: Literal["P5", "C5"] = "P5"
) -> ResNetFPN | TinyFPN:
    """The feature pyramid that the options name; the tiny one has three levels whatever the detector."""
    return TinyFPN(options) if isinstance(options, Tiny) else ResNetFPN(options, two_stage, p6_from)
