"""Taps of a deformable convolution that no gradient moves: on a CPU a sparse matrix, made once, read many times."""

from itertools import product

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
        rows = _neighbours(place[0] + torch.arange(height).view(1, height, 1, 1), height)
        columns = _neighbours(place[1] + torch.arange(width).view(1, 1, width, 1), width)
        image = torch.arange(batch, dtype=torch.int32).view(batch, 1, 1, 1) * (height * width)
        cell = torch.empty(*place.shape[1:], CORNERS, dtype=torch.int32)
        share = torch.empty_like(cell, dtype=torch.float32)
        for corner, ((row, row_share), (column, column_share)) in enumerate(product(rows, columns)):
            torch.add(image + row * width, column, out=cell[..., corner])
            torch.mul(row_share, column_share, out=share[..., corner])
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


def _neighbours(place: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Of places on an axis the two cells around each, int32, and their shares; outside the map cell 0 with none."""
    low = place.floor()
    neighbours = []
    for cell, share in ((low, 1 - (place - low)), (low + 1, place - low)):
        inside = (cell >= 0) & (cell < size)  # never true of NaN, so that what follows are always cells
        neighbours.append((torch.where(inside, cell, 0).int(), torch.where(inside, share, 0)))
    return neighbours


class _Read(torch.autograd.Function):
    """matrix [R, N] @ cells [N, C]; the gradient is the transposed matrix's product. One thread, a fixed order."""

    @staticmethod
    def forward(ctx, cells: Tensor, matrix: csr_array) -> Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(matrix @ cells.detach().numpy())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.matrix.T @ grad.contiguous().numpy()), None
