"""The deformable convolution whose nine taps lie on the coarse box (paper, eq. 7)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample
from torchvision.ops import deform_conv2d


def star_vectors(ltrb: Tensor) -> Tensor:
    """Where the nine taps lie, relative to the cell, as (y, x): corners, mid-sides and centre of the box.

    ltrb: [B, 4, H, W] in cells. Returns [B, 9, 2, H, W], row by row: y in (-t, 0, b), x in (-l, 0, r).
    """
    left, top, right, bottom = ltrb.unbind(1)
    zero = torch.zeros_like(left)
    taps = [torch.stack([y, x], dim=1) for y in (-top, zero, bottom) for x in (-left, zero, right)]
    return torch.stack(taps, dim=1)


def star_offsets(ltrb: Tensor) -> Tensor:
    """Eq. (7), d = d* + delta d: the offsets that move the kernel's grid onto the box; [B, 18, H, W]."""
    vectors = star_vectors(ltrb)
    step = torch.tensor([-1.0, 0.0, 1.0], device=ltrb.device, dtype=ltrb.dtype)
    grid = torch.stack(torch.meshgrid(step, step, indexing="ij"), dim=-1).reshape(9, 2)
    return (vectors - grid[None, :, :, None, None]).flatten(1, 2)


class StarConv(nn.Module):
    """3x3 deformable convolution on the coarse box, without bias, then ReLU.

    The paper's has no normalisation either; `norm` "batch" adds one BatchNorm a level before the ReLU.
    """

    def __init__(self, channels: int, norm: str = "none", num_levels: int = 1):
        super().__init__()
        self.norm = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(num_levels if norm == "batch" else 0))
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, x: Tensor, ltrb: Tensor, level: int = 0) -> Tensor:
        """x: [B, C, H, W]. ltrb: [B, 4, H, W], distances from each cell to its coarse box, in cells."""
        if x.is_cuda:
            x = deform_conv2d(x.float(), star_offsets(ltrb), self.weight.float(), padding=1)
        else:
            x = _sampled(x, ltrb, self.weight)
        return (self.norm[level](x) if self.norm else x).relu_()


def _sampled(x: Tensor, ltrb: Tensor, weight: Tensor) -> Tensor:
    """The same by bilinear sampling and one product: on a CPU several times as fast as `deform_conv2d`."""
    batch, channels, height, width = x.shape
    vectors = star_vectors(ltrb.float())  # [B, 9, 2, H, W]
    y = vectors[:, :, 0] + torch.arange(height, device=x.device).view(1, 1, height, 1)
    x_at = vectors[:, :, 1] + torch.arange(width, device=x.device)
    size = torch.tensor([width, height], device=x.device)
    grid = (2 * torch.stack([x_at, y], dim=-1) + 1) / size - 1  # [B, 9, H, W, 2]
    taps = grid_sample(
        x.float(), grid.reshape(batch, 9 * height, width, 2), mode="bilinear", padding_mode="zeros", align_corners=False
    )  # [B, C, 9H, W]
    columns = taps.reshape(batch, channels * 9, height * width)
    return (weight.reshape(weight.shape[0], -1) @ columns).reshape(batch, -1, height, width)
