"""The deformable convolution whose nine taps lie on the coarse box (paper, eq. 7)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from triplehead.detectors.heads.box_taps import BoxTaps, Readings
from triplehead.detectors.heads.deform import deform_conv

IMAGES = 16  # so many oneDNN always gets


def star_vectors(ltrb: Tensor) -> Tensor:
    """Where the nine taps lie, relative to the cell, as (y, x): corners, mid-sides and centre of the box.

    ltrb: [B, 4, H, W] in cells. Returns [B, 9, 2, H, W], row by row: y in (-t, 0, b), x in (-l, 0, r). Less the
    kernel's own grid (`taps_to_offsets`) these are the offsets d* + delta d of eq. (7).
    """
    left, top, right, bottom = ltrb.unbind(1)
    zero = torch.zeros_like(left)
    taps = [torch.stack([y, x], dim=1) for y in (-top, zero, bottom) for x in (-left, zero, right)]
    return torch.stack(taps, dim=1)


def star_taps(ltrb: Tensor) -> Tensor | BoxTaps:
    """The taps of all star convolutions on the same boxes, in the form that is fastest to read.

    ltrb: [B, 4, H, W] in cells.
    """
    return star_vectors(ltrb.float()) if ltrb.is_cuda or ltrb.requires_grad else BoxTaps(ltrb)


class StarConv(nn.Module):
    """3x3 deformable convolution on the coarse box, without bias, then ReLU.

    The paper's has no normalisation either; `norm` "batch" adds one BatchNorm a level before the ReLU.
    """

    def __init__(self, channels: int, norm: str = "none", num_levels: int = 1):
        super().__init__()
        self.norm = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(num_levels if norm == "batch" else 0))
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        nn.init.normal_(self.weight, std=0.01)

    @property
    def cell_by_cell(self) -> bool:
        """Whether what it makes of a cell is the same whichever others it is asked for."""
        return not (self.norm and self.training)

    def forward(self, x: Tensor, taps: Tensor | BoxTaps, level: int = 0) -> Tensor:
        """x: [B, C, H, W]. taps: `star_taps` of the distances from each cell to its coarse box."""
        x = self._summed(taps.read(x)) if isinstance(taps, BoxTaps) else deform_conv(x, taps, self.weight)
        return (self.norm[level](x) if self.norm else x).relu_()

    def chosen(self, cells: Tensor, readings: Readings, counts: Tensor) -> Tensor:
        """The same of R cells alone, `counts` of each level, finest first -> [R, C'].

        cells: values [N, C] of all cells of all levels. readings: at the taps of the chosen ones.
        """
        count = int(counts.sum())
        read = pad(readings.read(cells).view(count, -1), (0, 0, 0, -count % IMAGES))  # [a multiple of IMAGES, 9C]
        x = self._summed(read.view(IMAGES, -1, 1, read.shape[1]).permute(0, 3, 1, 2))  # [IMAGES, C', ., 1]
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)[:count]
        if self.norm:
            parts = rows.t()[None, :, :, None].split(counts.tolist(), dim=2)
            x = torch.cat([norm(part) for norm, part in zip(self.norm, parts, strict=True)], dim=2)
            rows = x[0, :, :, 0].t()
        return rows.relu_()

    def _summed(self, read: Tensor) -> Tensor:
        """What was read at the taps [B, 9C, H, W], tap by tap, under the weight."""
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.weight.shape[0], -1, 1, 1)
        if read.is_cuda:  # in float32, as `deform_conv` computes it there
            with torch.autocast("cuda", enabled=False):
                return conv2d(read.float(), weight.float())
        # As a 1x1 convolution: at 256 channels in float32 oneDNN takes a third to half of the matrix product's time on
        # an AMD processor. On one thread torch hands it none of few images: then each row is one.
        batch, _, height, width = read.shape
        if batch >= IMAGES or torch.is_autocast_enabled("cpu"):
            return conv2d(read, weight)
        rows = read.permute(0, 2, 3, 1).reshape(batch * height, 1, width, -1).permute(0, 3, 1, 2)
        return conv2d(rows, weight).permute(0, 2, 3, 1).reshape(batch, height, width, -1).permute(0, 3, 1, 2)
