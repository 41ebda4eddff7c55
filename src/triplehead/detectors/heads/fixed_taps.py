"""Taps of a deformable convolution that no gradient moves: on a CPU a sparse matrix, made once, read many times."""

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

CORNERS = 4  # of the cells around a tap


class FixedTaps:
    """Bilinear reading at nine taps per cell of maps of one size, zero outside the map.

    taps: [B, 9, 2, H, W], places as (y, x) relative to the cell, in cells; without gradient.
    """

    def __init__(self, taps: Tensor):
        batch, _, _, height, width = self.shape = taps.shape
        place = taps.detach().float().permute(2, 0, 3, 4, 1)  # [2, B, H, W, 9]
        y = place[0] + torch.arange(height).view(1, height, 1, 1)
        x = place[1] + torch.arange(width).view(1, 1, width, 1)
        (row, row_share), (column, column_share) = _neighbours(y, height), _neighbours(x, width)
        image = torch.arange(batch, dtype=torch.int32).view(batch, 1, 1, 1, 1, 1) * (height * width)
        cell = image + row[..., :, None] * width + column[..., None, :]  # [B, H, W, 9, 2, 2]
        share = row_share[..., :, None] * column_share[..., None, :]
        ends = np.arange(0, cell.numel() + 1, CORNERS, dtype=np.int32)
        self.matrix = csr_array(
            (share.flatten().numpy(), cell.flatten().numpy(), ends), shape=(len(ends) - 1, batch * height * width)
        )

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """x [B, C, H, W] read at the taps and summed under weight [C', C, 3, 3] -> [B, C', H, W]."""
        batch, _, _, height, width = self.shape
        cells = x.float().permute(0, 2, 3, 1).reshape(batch * height * width, -1)  # [BHW, C]
        read = _Read.apply(cells, self.matrix).view(len(cells), -1)  # [BHW, 9C]
        out = read @ weight.permute(2, 3, 1, 0).reshape(read.shape[1], -1)
        return out.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _neighbours(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The two cells around a place on an axis, [..., 2] int32, and their shares; outside the map cell 0 with none."""
    low = place.floor()
    cell = torch.stack([low, low + 1], dim=-1)
    share = 1 - (place[..., None] - cell).abs()
    inside = (cell >= 0) & (cell < size)  # never true of NaN, so that what follows are always cells
    return torch.where(inside, cell, 0).int(), torch.where(inside, share, 0)


class _Read(torch.autograd.Function):
    """matrix [R, N] @ cells [N, C]; the gradient is the transposed matrix's product. One thread, a fixed order."""

    @staticmethod
    def forward(ctx, cells: Tensor, matrix: csr_array) -> Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(matrix @ cells.detach().numpy())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.matrix.T @ grad.contiguous().numpy()), None
