"""BorderAlign: the largest response along each side of a box (BorderDet, Qiu et al. 2020, section 3.2)."""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

SIDES = 4
CHUNK = 2**25  # values read at once (128 MB): at 800 x 1333 all of P3 would be 190 million an image


def border_points(boxes: Tensor, pool_size: int) -> Tensor:
    """Where the sides of boxes [..., 4] xyxy are read -> [..., 4 sides, pool_size + 1, 2] as (x, y).

    Evenly spaced with both corners: top and left from the top left corner on, bottom and right from the bottom
    right one back.
    """
    x1, y1, x2, y2 = boxes[..., None].unbind(-2)  # each [..., 1]
    along = torch.linspace(0, 1, pool_size + 1, device=boxes.device, dtype=boxes.dtype)
    right, down = (x2 - x1) * along, (y2 - y1) * along
    x = torch.stack(torch.broadcast_tensors(x1 + right, x1, x2 - right, x2), dim=-2)
    y = torch.stack(torch.broadcast_tensors(y1, y1 + down, y2, y2 - down), dim=-2)
    return torch.stack([x, y], dim=-1)


def border_align(x: Tensor, boxes: Tensor, pool_size: int) -> Tensor:
    """x [B, 4C, H, W], one block of C channels a side (top, left, bottom, right), read along that side of the box
    of each cell -> the maximum over pool_size + 1 points [B, 4C, H, W], float32 or x's if that is wider.

    boxes: [B, HW, 4] xyxy in cells, so that cell (i, j) lies at (j, i); corners outside the map are moved to its
    rim. The gradient goes to the point of the maximum, the first of equal ones, and none to the boxes.
    """
    batch, _, height, width = x.shape
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    size = torch.tensor([width, height], device=x.device, dtype=x.dtype)
    corners = boxes.detach().to(x.dtype).unflatten(-1, (2, 2))
    inside = torch.minimum(corners.clamp(min=0), size - 1).flatten(-2)
    points = border_points(inside, pool_size)  # [B, HW, 4, P, 2]
    # -1 and 1 are the outer rims of the first and last cells: also right for a map of one row or column.
    grid = ((2 * points + 1) / size - 1).permute(0, 2, 1, 3, 4).flatten(0, 1)  # [4B, HW, P, 2]
    sides = x.reshape(batch * SIDES, -1, height, width)  # [4B, C, H, W]
    channels = max(1, CHUNK // max(1, grid.shape[:3].numel()))
    pooled = [
        grid_sample(part, grid, mode="bilinear", padding_mode="border", align_corners=False).max(dim=3).values
        for part in sides.split(channels, dim=1)
    ]
    return torch.cat(pooled, dim=1).reshape(x.shape)
