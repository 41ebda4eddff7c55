"""What the heads are made of."""

import math

import torch
from torch import Tensor, nn

from triplehead.plan.options import Init

LARGEST_LOG_RATIO = 12.0  # exp(12) strides: far beyond any image, keeps an untrained head finite


class ConvBlock(nn.Module):
    """3x3 convolution, normalisation, ReLU; convolution shared between levels.

    "group": GroupNorm(32), as in the paper. "batch": one BatchNorm a level, whose statistics differ.
    """

    def __init__(self, channels: int, norm: str, num_levels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = build_norm(norm, channels, num_levels)

    def forward(self, x: Tensor, level: int) -> Tensor:
        return at_level(self.norm, level)(self.conv(x)).relu_()


def build_norm(norm: str, channels: int, num_levels: int, groups: int = 32) -> nn.Module:
    """The normalisation of all levels: "group" has one for all, "batch" one for each (see `at_level`)."""
    if norm == "group":
        return nn.GroupNorm(groups, channels)
    return nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(num_levels))


def at_level(norm: nn.Module, level: int) -> nn.Module:
    """The normalisation of one level, of `build_norm`'s."""
    return norm[level] if isinstance(norm, nn.ModuleList) else norm


class Tower(nn.Module):
    """`num_convs` blocks; maps [B, C, H, W] of any level -> maps of the same shape."""

    def __init__(self, num_convs: int, channels: int, norm: str, num_levels: int):
        super().__init__()
        self.blocks = nn.ModuleList(ConvBlock(channels, norm, num_levels) for _ in range(num_convs))

    def forward(self, x: Tensor, level: int) -> Tensor:
        for block in self.blocks:
            x = block(x, level)
        return x


class Scale(nn.Module):
    """One learned factor a level."""

    def __init__(self, num_levels: int):
        super().__init__()
        self.factors = nn.ParameterList(nn.Parameter(torch.tensor(1.0)) for _ in range(num_levels))

    def forward(self, x: Tensor, level: int | Tensor) -> Tensor:
        """x: of one level, or rows [P, C] of levels [P]."""
        return x * (self.factors[level] if isinstance(level, int) else torch.stack(list(self.factors))[level, None])


def exp(x: Tensor) -> Tensor:
    """In float32, never infinite: the argument is cut at `LARGEST_LOG_RATIO`."""
    return x.float().clamp(max=LARGEST_LOG_RATIO).exp()


def flatten(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, HW, C] in float32."""
    return x.flatten(2).transpose(1, 2).float()


def init_head(head: nn.Module, classifier: nn.Conv2d | None = None, prior: float = 0.01) -> None:
    """Normal weights of deviation 0.01, zero biases, and the class prior of RetinaNet for the classifier."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if classifier is not None:
        assert classifier.bias is not None
        nn.init.constant_(classifier.bias, -math.log((1 - prior) / prior))


def init_hidden(parts: nn.Module, init: Init, *outputs: nn.Module | None) -> None:
    """With "kaiming": the uniform start of torchvision's FPN for all kernels but those of `outputs`."""
    kept = {id(parameter) for output in outputs if output is not None for parameter in output.parameters()}
    for parameter in parts.parameters():
        if init == "kaiming" and parameter.ndim == 4 and id(parameter) not in kept:
            nn.init.kaiming_uniform_(parameter, a=1)
