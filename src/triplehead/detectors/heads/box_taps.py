"""Nine taps on a box that no gradient moves: a sparse matrix, made once and read many times."""

from functools import cache, cached_property, lru_cache
from itertools import accumulate, chain
from math import prod

import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from triplehead.detectors.kernels import gpu_kernels

# On each axis five cells are read: two around the box's near side, the cell's own, two around its far side.
SIDES = ((0, 1), (2,), (3, 4))
TAPS = [[(row, column) for row in rows for column in columns] for rows in SIDES for columns in SIDES]
*FIRST, END = accumulate((len(tap) for tap in TAPS), initial=0)  # of each tap among the 25
ROWS_OF = 16  # boxes: `StarConv` multiplies as many at once


class BoxTaps:
    """Bilinear reading at nine taps of every cell of all levels' maps, zero outside a cell's own map.

    ltrb: [B, 4, H, W] of each level, distances from each cell to its box, in cells, without gradient. The taps are
    `star_vectors`.
    """

    def __init__(self, ltrb: list[Tensor]):
        self.shapes = [(len(each), *each.shape[2:]) for each in ltrb]
        cells = all_cells(tuple(self.shapes), ltrb[0].device)
        self.readings = box_readings(by_cell(ltrb).detach(), *cells, num_cells=len(cells[0]))

    def maps(self, rows: Tensor) -> list[Tensor]:
        """Values [N, C] of all cells -> maps [B, C, H, W] of each level; inverse of `by_cell`."""
        parts = rows.split([prod(shape) for shape in self.shapes])
        return [part.view(*shape, -1).permute(0, 3, 1, 2) for part, shape in zip(parts, self.shapes, strict=True)]


def by_cell(maps: list[Tensor]) -> Tensor:
    """Maps [B, C, H, W] of each level -> values [N, C] of all cells: level by level, image by image, row by row."""
    return torch.cat([each.permute(0, 2, 3, 1).flatten(0, 2) for each in maps])


@lru_cache(maxsize=8)
def all_cells(
    shapes: tuple[tuple[int, int, int], ...], device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of every cell of maps of these (B, H, W) what `box_readings` takes: row, column, and its map's height, width and
    first cell; [N] int32 each."""
    found, start = [], 0
    for batch, height, width in shapes:
        image, row, column = torch.meshgrid(
            *(torch.arange(size, dtype=torch.int32, device=device) for size in (batch, height, width)), indexing="ij"
        )
        first = start + image * (height * width)
        sizes = (torch.full_like(row, size) for size in (height, width))
        found.append([each.flatten() for each in (row, column, *sizes, first)])
        start += batch * height * width
    row, column, heights, widths, first = (torch.cat(parts) for parts in zip(*found, strict=True))
    return row, column, heights, widths, first


@cache
@torch.inference_mode(False)  # a gradient may need them later
def of_taps(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Row and column among five of the 25 places of the nine taps, [25] each, and where each tap's begin, [9]."""
    row, column = torch.tensor(list(chain.from_iterable(TAPS)), device=device).unbind(dim=1)
    return row, column, torch.tensor(FIRST, device=device)


class Readings:
    """A sparse matrix that reads cells of maps: each of nine taps of R boxes is a sum over some of 25 places.

    places: [R, 25] int32, numbers of `num_cells` cells. shares: [R, 25].
    """

    def __init__(self, places: Tensor, shares: Tensor, num_cells: int):
        self.num_cells, self.num_boxes, device = num_cells, len(places), places.device
        first = torch.arange(0, places.numel(), END, device=device)[:, None] + of_taps(device)[2]
        none = first.new_full((9 * (-self.num_boxes % ROWS_OF) + 1,), places.numel())  # where the last one ends, too
        self.taps = places.flatten(), torch.cat([first.flatten(), none]).int(), shares.flatten()

    def read(self, cells: Tensor) -> Tensor:
        """Values [N, C] of the cells -> [R', 9C], tap by tap; R' is R, with zeros up to a multiple of ROWS_OF."""
        return self._read(cells).view(-1, 9 * cells.shape[1])

    def _read(self, cells: Tensor) -> Tensor:
        # The transpose's product is several times as fast as what autograd knows of `embedding_bag`.
        return _sums(self.taps, cells) if self.taps[2].requires_grad else _Read.apply(cells, self)

    @cached_property
    def cells(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each cell the taps that it takes part in: the transpose, which only a gradient needs."""
        places, first, shares = self.taps
        if places.is_cuda:
            # What reads nothing goes behind all cells: those at an edge would have all taps outside of the map.
            entries = places.masked_fill(shares == 0, self.num_cells).sort(stable=True)
            numbers = torch.arange(self.num_cells + 1, device=places.device, dtype=torch.int32)
            taps = torch.bucketize(entries.indices.int(), first, right=True, out_int32=True) - 1
            return taps, torch.searchsorted(entries.values, numbers, out_int32=True), shares[entries.indices]
        matrix = csr_array((shares.numpy(), places.numpy(), first.numpy()), (len(first) - 1, self.num_cells)).tocsc()
        return torch.from_numpy(matrix.indices), torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.data)


def box_readings(
    ltrb: Tensor, row: Tensor, column: Tensor, height: Tensor, width: Tensor, first: Tensor, num_cells: int
) -> Readings:
    """What lies at the taps of boxes, ltrb [R, 4] in cells around the cells at `row` and `column` of maps of `height` x
    `width`, whose cells are numbered from `first` on, row by row; [R] each, the last two int32."""
    left, top, right, bottom = ltrb.float().unbind(1)
    rows, row_shares = _cells(top, bottom, row, height)
    columns, column_shares = _cells(left, right, column, width)
    rows = rows * width + first
    # Boxes lie last while this is computed, where it is fast, then first: [25, R] -> [R, 25].
    of_row, of_column, _ = of_taps(ltrb.device)
    places = rows.index_select(0, of_row).add_(columns.index_select(0, of_column)).t()
    shares = row_shares.index_select(0, of_row).mul_(column_shares.index_select(0, of_column)).t()
    return Readings(places, shares, num_cells)


def _cells(before: Tensor, after: Tensor, own: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """On an axis, of distances to a box's sides: the cells that are read, int32, and their shares, [5, ...].

    own: the axis' place of each cell. A cell outside the map, or at a place that is no number, has no share.
    """
    place = torch.stack([own - before, own + after])
    low = place.floor()
    above = place - low
    cell = torch.stack([low, low + 1], dim=1).flatten(0, 1)
    inside = (cell >= 0) & (cell < size)  # never true of NaN, so that what follows are always cells
    share = torch.where(inside, torch.stack([1 - above, above], dim=1).flatten(0, 1), 0)
    cell = torch.where(inside, cell, 0).int()
    middle = own.int().expand_as(before)[None]
    return torch.cat([cell[:2], middle, cell[2:]]), torch.cat([share[:2], torch.ones_like(share[:1]), share[2:]])


class _Read(torch.autograd.Function):
    """The matrix [9R, N] @ cells [N, C]; the gradient is the transpose's product. Each sum in a fixed order."""

    @staticmethod
    def forward(ctx, cells: Tensor, readings: Readings) -> Tensor:
        ctx.readings = readings
        return _sums(readings.taps, cells)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return _sums(ctx.readings.cells, grad), None


def _sums(bags: tuple[Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
    index, first, share = bags
    if not share.requires_grad and (kernels := gpu_kernels(rows)):
        return kernels.sums(index, first, share, rows)
    share = share.to(rows.dtype)
    return embedding_bag(index, rows, first, mode="sum", per_sample_weights=share, include_last_offset=True)
