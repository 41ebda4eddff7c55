"""The dynamic head (Dai et al. 2021): scale-, spatial- and task-aware attention over a feature pyramid."""

import torch
from torch import Tensor, nn
from torch.nn.functional import hardsigmoid, interpolate

from triplehead.detectors.boxes import Points, Predictions
from triplehead.detectors.heads.deform import deform_conv, offsets_to_taps
from triplehead.detectors.heads.fcos import FCOSHead
from triplehead.detectors.heads.layers import at_level, build_norm, init_head, init_hidden
from triplehead.plan.options import DyHead as Options

GROUPS = 16  # of the blocks' GroupNorm
TAPS = 9
REDUCTION = 4  # channels of the task-aware attention's hidden layer


class ModulatedConv(nn.Module):
    """3x3 modulated deformable convolution (Zhu et al. 2019) and normalisation."""

    def __init__(self, channels: int, norm: str, num_levels: int, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.norm = build_norm(norm, channels, num_levels, GROUPS)
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, x: Tensor, taps: Tensor, mask: Tensor, level: int) -> Tensor:
        """taps, mask: `deform_conv`'s. level: which of the norms."""
        return at_level(self.norm, level)(deform_conv(x, taps, self.weight, self.bias, mask, self.stride))


class ScaleAttention(nn.Module):
    """One weight of 0..1 for a map [B, C, H, W]: [B, 1, 1, 1]."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)
        init_head(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        return hardsigmoid(self.conv(x.mean(dim=(2, 3), keepdim=True)).relu())


class TaskAttention(nn.Module):
    """The larger of two linear functions of each channel, chosen by the map's mean (DyReLU-B, Chen et al. 2020)."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        learned = hardsigmoid(self.excite(self.squeeze(x.mean(dim=(2, 3))).relu())) - 0.5  # [B, 4C]
        slope1, shift1, slope2, shift2 = learned[..., None, None].chunk(4, dim=1)
        return torch.maximum(x * (2 * slope1 + 1) + shift1, x * 2 * slope2 + shift2)


class DyBlock(nn.Module):
    """One round of the three attentions: features of all levels -> features of the same shapes.

    A level reads itself, the finer level at stride 2 and the coarser one, all at offsets and under masks learned
    from the level itself (spatial-aware); each of these maps gets a weight (scale-aware), their mean passes through
    `TaskAttention`. The coarser map is upsampled first and convolved at this level's size: the public code, which
    convolves first, applies offsets of one size to a map of another. The offsets start at zero, the masks at 1/2.
    """

    def __init__(self, channels: int, norm: str, num_levels: int):
        super().__init__()
        self.offset = nn.Conv2d(channels, 3 * TAPS, 3, padding=1)
        for parameter in self.offset.parameters():
            nn.init.zeros_(parameter)
        self.same = ModulatedConv(channels, norm, num_levels)
        self.finer = ModulatedConv(channels, norm, num_levels - 1, stride=2)  # not at the finest level
        self.coarser = ModulatedConv(channels, norm, num_levels - 1)  # nor this at the coarsest
        self.scale = ScaleAttention(channels)
        self.task = TaskAttention(channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [self._level(features, level) for level in range(len(features))]

    def _level(self, features: list[Tensor], level: int) -> Tensor:
        x = features[level]
        learned = self.offset(x).float()
        taps, mask = offsets_to_taps(learned[:, : 2 * TAPS]), learned[:, 2 * TAPS :].sigmoid()
        maps = [self.same(x, taps, mask, level)]
        if level > 0:
            maps.append(self.finer(features[level - 1], taps, mask, level - 1))
        if level + 1 < len(features):
            up = interpolate(features[level + 1].float(), x.shape[2:], mode="bilinear", align_corners=True)
            maps.append(self.coarser(up, taps, mask, level))
        mean = torch.stack([self.scale(each) * each for each in maps]).mean(dim=0)
        return self.task(mean)


class DyHead(FCOSHead):
    """Features of all levels -> `Predictions`: the blocks, then FCOS's head, by default without its towers."""

    def __init__(self, options: Options, channels: int, num_classes: int, strides: list[int]):
        super().__init__(options, channels, num_classes, strides)
        blocks = [DyBlock(channels, options.norm, len(strides)) for _ in range(options.num_blocks)]
        self.blocks = nn.Sequential(*blocks)
        attentions = [part for block in blocks for part in (block.offset, block.scale)]
        init_hidden(self.blocks, options.init, *attentions)

    def forward(self, features: list[Tensor], points: Points) -> Predictions:
        return super().forward(self.blocks(features), points)
