"""3x3 deformable convolution (Dai et al. 2017; modulated: Zhu et al. 2019), fast on either device."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.ops import deform_conv2d


def kernel_grid(like: Tensor) -> Tensor:
    """Where the nine taps of an ordinary 3x3 convolution lie, row by row, as (y, x); [9, 2]."""
    step = torch.tensor([-1.0, 0.0, 1.0], device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(step, step, indexing="ij"), dim=-1).reshape(9, 2)


def taps_to_offsets(taps: Tensor) -> Tensor:
    """Places of the taps [B, 9, 2, H, W] relative to the cell -> offsets from the kernel's grid [B, 18, H, W]."""
    return (taps - kernel_grid(taps)[None, :, :, None, None]).flatten(1, 2)


def offsets_to_taps(offsets: Tensor) -> Tensor:
    """Inverse of `taps_to_offsets`."""
    taps = offsets.unflatten(1, (9, 2))
    return taps + kernel_grid(taps)[None, :, :, None, None]


def deform_conv(
    x: Tensor, taps: Tensor, weight: Tensor, bias: Tensor | None = None, mask: Tensor | None = None, stride: int = 1
) -> Tensor:
    """Read x [B, C, H, W] at nine taps per output cell, zero outside the map, and sum under `weight`.

    taps: [B, 9, 2, H', W'], places as (y, x) relative to the input cell `stride` times the output cell, in input
    cells. weight: [C', C, 3, 3]. mask: [B, 9, H', W'], a factor of each tap. Returns [B, C', H', W'].
    """
    taps, mask = taps.float(), None if mask is None else mask.float()
    if x.is_cuda:
        bias = None if bias is None else bias.float()
        return deform_conv2d(x.float(), taps_to_offsets(taps), weight.float(), bias, stride, padding=1, mask=mask)
    return _sampled(x.float(), taps, weight, bias, mask, stride)


def _sampled(x: Tensor, taps: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, stride: int) -> Tensor:
    """By bilinear sampling and one product: on a CPU several times as fast as `deform_conv2d`."""
    (batch, channels, height, width), (rows, columns) = x.shape, taps.shape[3:]
    y = taps[:, :, 0] + stride * torch.arange(rows, device=x.device).view(1, 1, rows, 1)
    x_at = taps[:, :, 1] + stride * torch.arange(columns, device=x.device)
    size = torch.tensor([width, height], device=x.device)
    grid = (2 * torch.stack([x_at, y], dim=-1) + 1) / size - 1  # [B, 9, H', W', 2]
    read = grid_sample(
        x, grid.reshape(batch, 9 * rows, columns, 2), mode="bilinear", padding_mode="zeros", align_corners=False
    )  # [B, C, 9H', W']
    if mask is not None:
        read = read.view(batch, channels, 9, rows, columns) * mask[:, None]
    read = read.reshape(batch, channels * 9, rows * columns)
    out = (weight.reshape(weight.shape[0], -1) @ read).reshape(batch, -1, rows, columns)
    return out if bias is None else out + bias.view(1, -1, 1, 1)
