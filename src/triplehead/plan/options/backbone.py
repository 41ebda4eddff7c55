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


class ResNet(Options):
    """ResNet-50/101 with frozen BatchNorm, FPN P3-P7, P6 and P7 convolved from P5."""

    num_levels: ClassVar = 5

    name: Literal["resnet"]
    depth: Literal[50, 101]
    channels: Annotated[int, Field(ge=32, multiple_of=32)] = 256
    frozen_stages: Annotated[int, Field(ge=0, le=5)] = 2


Backbone = Annotated[Tiny | ResNet, Field(discriminator="name")]
