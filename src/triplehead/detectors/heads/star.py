"""The deformable convolution whose nine taps lie on the coarse box (paper, eq. 7)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from triplehead.detectors.heads.box_taps import ROWS_OF, BoxTaps, Readings, by_cell
from triplehead.detectors.heads.deform import deform_conv


def star_vectors(ltrb: Tensor) -> Tensor:
    """Where the nine taps lie, relative to the cell, as (y, x): corners, mid-sides and centre of the box.

    ltrb: [B, 4, H, W] in cells. Returns [B, 9, 2, H, W], row by row: y in (-t, 0, b), x in (-l, 0, r). Less the
    kernel's own grid (`taps_to_offsets`) these are the offsets d* + delta d of eq. (7).
    """
    left, top, right, bottom = ltrb.unbind(1)
    zero = torch.zeros_like(left)
    taps = [torch.stack([y, x], dim=1) for y in (-top, zero, bottom) for x in (-left, zero, right)]
    return torch.stack(taps, dim=1)


def star_taps(ltrb: list[Tensor]) -> list[Tensor] | BoxTaps:
    """The taps of all star convolutions on the same boxes, in the form that is fastest to read.

    ltrb: [B, 4, H, W] of each level, in cells.
    """
    if any(each.requires_grad for each in ltrb):
        return [star_vectors(each.float()) for each in ltrb]
    return BoxTaps(ltrb)


class StarConv(nn.Module):
    """3x3 deformable convolution on the coarse box, without bias, then ReLU; shared between levels.

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

    def forward(self, maps: list[Tensor], taps: list[Tensor] | BoxTaps) -> list[Tensor]:
        """maps: [B, C, H, W] of each level. taps: `star_taps` of the distances from each cell to its coarse box."""
        if isinstance(taps, BoxTaps):
            found = taps.maps(self._rows(taps.readings, by_cell(maps)))
        else:
            found = [self._activated(deform_conv(x, each, self.weight)) for x, each in zip(maps, taps, strict=True)]
        return [self.norm[level](x).relu_() for level, x in enumerate(found)] if self.norm else found

    def chosen(self, cells: Tensor, readings: Readings, counts: Tensor) -> Tensor:
        """The same of R cells alone, `counts` of each level, finest first -> [R, C'].

        cells: values [N, C] of all cells of all levels. readings: at the taps of the chosen ones.
        """
        rows = self._rows(readings, cells)
        if self.norm:
            parts = rows.t()[None, :, :, None].split(counts.tolist(), dim=2)
            x = torch.cat([norm(part) for norm, part in zip(self.norm, parts, strict=True)], dim=2)
            rows = x[0, :, :, 0].t().relu_()
        return rows

    def _activated(self, x: Tensor) -> Tensor:
        """What a norm is not still to come before."""
        return x if self.norm else x.relu_()

    def _rows(self, readings: Readings, cells: Tensor) -> Tensor:
        """What is read at the taps of R boxes, under the weight, and activated: [R, C']."""
        if cells.is_cuda and torch.is_autocast_enabled("cuda"):
            cells = cells.to(torch.get_autocast_dtype("cuda"))  # as the product wants what is read
        read = readings.read(cells)
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.weight.shape[0], -1, 1, 1)
        # As a 1x1 convolution: at 256 channels in float32 oneDNN takes a third to half of the matrix product's time on
        # an AMD processor; on one thread torch hands it none of fewer images.
        x = read.view(ROWS_OF, -1, 1, read.shape[1]).permute(0, 3, 1, 2)
        return self._activated(conv2d(x, weight)).permute(0, 2, 3, 1).flatten(0, 2)[: readings.num_boxes]
