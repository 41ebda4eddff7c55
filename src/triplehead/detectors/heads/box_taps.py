"""Nine taps on a box that no gradient moves: on a CPU a sparse matrix, made once and read many times."""

from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import conv2d, embedding_bag

TAPS, CORNERS = 9, 4  # of a cell; of the cells around a tap


class BoxTaps:
    """Bilinear reading at nine taps per cell of maps of one size, zero outside the map.

    ltrb: [B, 4, H, W], distances from each cell to its box, in cells, without gradient. The taps are `star_vectors`.
    """

    def __init__(self, ltrb: Tensor):
        batch, _, height, width = self.shape = ltrb.shape
        left, top, right, bottom = ltrb.detach().float().unbind(1)  # [B, H, W]
        zero = torch.zeros_like(left)
        row, row_share = _neighbours(torch.stack([-top, zero, bottom]) + torch.arange(height).view(height, 1), height)
        column, column_share = _neighbours(torch.stack([-left, zero, right]) + torch.arange(width), width)
        first = torch.arange(batch, dtype=torch.int32).view(batch, 1, 1) * (height * width)  # of each image
        # Cells lie last while this is computed, where it is fast, then first: [3, 3, 2, 2, B, H, W] -> [BHW, 36].
        cell = (row * width + first)[:, None, :, None] + column[None, :, None, :]
        share = row_share[:, None, :, None] * column_share[None, :, None, :]
        places, shares = (part.view(TAPS * CORNERS, -1).t().flatten().numpy() for part in (cell, share))
        ends = np.arange(0, len(places) + 1, CORNERS, dtype=np.int32)
        cells = batch * height * width
        self.matrix = csr_array((shares, places, ends), shape=(TAPS * cells, cells))
        self.readings = _bags(self.matrix)

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """x [B, C, H, W] read at the taps and summed under weight [C', C, 3, 3] -> [B, C', H, W]."""
        batch, _, height, width = self.shape
        cells = x.permute(0, 2, 3, 1).reshape(batch * height * width, -1)  # [BHW, C]
        read = _Read.apply(cells, self).view(batch, height, width, -1).permute(0, 3, 1, 2)  # [B, 9C, H, W]
        # As a 1x1 convolution: at 256 channels in float32 a third of the matrix product's time on an AMD processor.
        return conv2d(read, weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1, 1, 1))

    @cached_property
    def cells(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each cell the readings that it takes part in: the transpose, which only a gradient needs."""
        return _bags(self.matrix.tocsc())


def _neighbours(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Of places [3, ...] on an axis the two cells around each, int32, and their shares [3, 2, ...]; outside none."""
    low = place.floor()
    above = place - low
    cell = torch.stack([low, low + 1], dim=1)
    inside = (cell >= 0) & (cell < size)  # never true of NaN, so that what follows are always cells
    share = torch.stack([1 - above, above], dim=1)
    return torch.where(inside, cell, 0).int(), torch.where(inside, share, 0)


def _bags(matrix: csr_array) -> tuple[Tensor, Tensor, Tensor]:
    """What `embedding_bag` wants to know of a matrix's rows (columns, if they are what is compressed)."""
    index, first, share = (torch.from_numpy(part) for part in (matrix.indices, matrix.indptr[:-1], matrix.data))
    return index, first, share


class _Read(torch.autograd.Function):
    """The matrix [R, N] @ cells [N, C]; the gradient is the transpose's product. Each sum in a fixed order."""

    @staticmethod
    def forward(ctx, cells: Tensor, taps: BoxTaps) -> Tensor:
        ctx.taps = taps
        return _sums(taps.readings, cells)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return _sums(ctx.taps.cells, grad), None


def _sums(bags: tuple[Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
    index, first, share = bags
    return embedding_bag(index, rows, first, mode="sum", per_sample_weights=share.to(rows.dtype))
