"""Backbones."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from triplehead.plan.options.base import Options


class Pretrain(Options):
    """Object-crop classification before detection training: stands in for ImageNet."""

    iterations: PositiveInt = 600
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 0.003
    crop_size: Annotated[int, Field(ge=16, multiple_of=16)] = 32


class Tiny(Options):
    """Three-stage ResNet with one basic block a stage, FPN levels of strides 4, 8, 16."""

    num_levels: ClassVar = 3

    name: Literal["tiny"]
    widths: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 32, 48)
    channels: PositiveInt = 32
    pretrain: Pretrain | None = None


# ImageNet weights of ResNet bodies: torchvision's, or MSRA's in Detectron's format, from which FCOS and its kin start.
Weights = Literal["none", "torchvision", "msra"]


class ResNet(Options):
    """ResNet-50/101 with frozen BatchNorm, FPN P3-P7, P6 and P7 convolved from P5."""

    num_levels: ClassVar = 5

    name: Literal["resnet"]
    depth: Literal[50, 101]
    channels: Annotated[int, Field(ge=32, multiple_of=32)] = 256
    frozen_stages: Annotated[int, Field(ge=0, le=5)] = 2
    weights: Weights = "none"

    @property
    def file(self) -> str:
        """What the weights' publishers call the file. torchvision's names end in the first digits of its SHA-256."""
        if self.weights == "msra":
            return f"R-{self.depth}.pkl"
        return {50: "resnet50-0676ba61.pth", 101: "resnet101-63fe2227.pth"}[self.depth]

    @property
    def stride_in_1x1(self) -> bool:
        """Whether a stage halves its input in its first 1x1 convolution (He et al. 2016), or in the 3x3 after it."""
        return self.weights == "msra"

    @property
    def pixels(self) -> dict[str, list[float]]:
        """Mean and deviation, in RGB order and of 0..1, of the pixels that the weights were trained on."""
        if self.weights != "msra":
            return {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        mean = (122.7717, 115.9465, 102.9801)  # of 0..255; published as BGR
        return {"mean": [value / 255 for value in mean], "std": [1 / 255] * 3}


Backbone = Annotated[Tiny | ResNet, Field(discriminator="name")]
