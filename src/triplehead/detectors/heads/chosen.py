"""Chosen cells of a pyramid of maps, and what a 3x3 convolution reads for them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from triplehead.detectors.boxes import Points
from triplehead.detectors.heads.box_taps import Readings, box_readings


class Chosen:
    """P points of B images, and the R cells that a 3x3 convolution reads for them.

    All cells are numbered level by level, then image by image, row by row. image, sample: [P]. `cells` are the
    numbers [R], ascending, one at least, so that every weight gets a gradient, if of zero; `own` are the points' [P].
    """

    def __init__(self, points: Points, batch: int, image: Tensor, sample: Tensor):
        device = sample.device
        self.sizes = torch.tensor(points.sizes, device=device)  # [L, 2]
        area = self.sizes.prod(dim=1)
        start = area.cumsum(0) - area  # of each level in one image
        self.first, self.num_cells = batch * start, batch * len(points.xy)

        level = points.level[sample]
        height, width = self.sizes[level].unbind(1)
        cell = sample - start[level]
        near = torch.arange(-1, 2, device=device)
        row = (cell // width)[:, None] + near.repeat_interleave(3)  # [P, 9]
        column = (cell % width)[:, None] + near.repeat(3)
        inside = (row >= 0) & (row < height[:, None]) & (column >= 0) & (column < width[:, None])
        begin = self.first[level] + image * area[level]
        self.own = begin + cell
        number = begin[:, None] + row * width[:, None] + column
        read = torch.where(inside, number, 0).flatten()
        self.cells, window = torch.cat([read, read.new_zeros(1)]).unique(return_inverse=True)
        self.window = torch.where(inside, window[:-1].view(-1, 9), len(self.cells))
        self.level = torch.bucketize(self.cells, self.first[1:], right=True)
        self.counts = self.level.bincount(minlength=len(area))

    def readings(self, ltrb: Tensor) -> Readings:
        """At the taps of the boxes of `cells`. ltrb: [N, 4] of all cells, in cells."""
        height, width = self.sizes[self.level].unbind(1)
        inner = (self.cells - self.first[self.level]) % (height * width)
        return box_readings(
            ltrb[self.cells],
            inner // width,
            inner % width,
            height,
            width.int(),
            (self.cells - inner).int(),
            self.num_cells,
        )

    def convolve(self, x: Tensor, conv: nn.Conv2d) -> Tensor:
        """Values of `cells` [R, C] -> the zero-padded 3x3 convolution's of the chosen ones [P, C']."""
        read = embedding(self.window, torch.cat([x, x.new_zeros(1, x.shape[1])]))  # [P, 9, C]
        return linear(read.flatten(1), conv.weight.permute(0, 2, 3, 1).flatten(1), conv.bias)
