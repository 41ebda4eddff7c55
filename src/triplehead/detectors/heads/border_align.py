"""BorderAlign: the largest response along each side of a box (BorderDet, Qiu et al. 2020, section 3.2)."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import grid_sample

SIDES = 4
# Values at once. On a CPU what its cache holds; otherwise 128 MB, as P3 of 16 images of 800 x 1333 would be 1.1 GB.
CPU_CHUNK, CHUNK = 2**18, 2**25


def border_points(boxes: Tensor, pool_size: int) -> Tensor:
    """Where the sides of boxes [..., 4] xyxy are read -> [..., 4 sides, pool_size + 1, 2] as (x, y).

    Evenly spaced with both corners: top and left from the top left corner on, bottom and right from the bottom
    right one back.
    """
    x1, y1, x2, y2 = boxes[..., None].unbind(-2)  # each [..., 1]
    along = torch.linspace(0, 1, pool_size + 1, device=boxes.device, dtype=boxes.dtype)
    right, left, down, up = (torch.lerp(*ends, along) for ends in ((x1, x2), (x2, x1), (y1, y2), (y2, y1)))
    x = torch.stack(torch.broadcast_tensors(right, x1, left, x2), dim=-2)
    y = torch.stack(torch.broadcast_tensors(y1, down, y2, up), dim=-2)
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
    sides = x.reshape(batch * SIDES, -1, height, width)  # [4B, C, H, W]
    points = points.permute(0, 2, 1, 3, 4).flatten(0, 1)  # [4B, HW, P, 2]
    some = max(1, (CHUNK if x.is_cuda else CPU_CHUNK) // max(1, sides[0].numel()))
    pooled = [_LargestReading.apply(*part) for part in zip(sides.split(some), points.split(some), strict=True)]
    return torch.cat(pooled).reshape(x.shape)


class _LargestReading(torch.autograd.Function):
    """Maps [S, C, H, W] read at points [S, HW, P, 2] -> the largest of the P bilinear readings, [S, C, HW].

    By hand, because autograd would walk back through the readings of all points, not of the chosen one alone.
    """

    @staticmethod
    def forward(ctx, maps: Tensor, points: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        # -1 and 1 are the outer rims of the first and last cells: also right for a map of one row or column.
        grid = (2 * points + 1) / points.new_tensor([width, height]) - 1
        places = grid.permute(2, 0, 1, 3)[:, :, None].contiguous()  # P times [S, 1, HW, 2]

        def read(place: Tensor) -> Tensor:
            return grid_sample(maps, place, mode="bilinear", padding_mode="border", align_corners=False)

        largest = read(places[0])
        chosen = torch.zeros_like(largest, dtype=torch.uint8) if ctx.needs_input_grad[0] else None
        for index, place in enumerate(places[1:], start=1):
            value = read(place)
            if chosen is not None:
                chosen = torch.maximum(chosen, (value > largest).view(torch.uint8) * index)
            largest = torch.maximum(largest, value)
        if chosen is not None:
            ctx.save_for_backward(chosen.squeeze(2), points)
        ctx.shape = maps.shape
        return largest.squeeze(2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        chosen, points = ctx.saved_tensors
        count, channels, height, width = ctx.shape
        chosen = chosen.long()[..., None]  # [S, C, HW, 1]

        def pick(values: Tensor) -> Tensor:
            return values[:, None].expand(-1, channels, -1, -1).gather(3, chosen).squeeze(3)

        cell = points.floor()
        first = pick((cell[..., 1] * width + cell[..., 0]).long())  # [S, C, HW]
        right, bottom = (pick(share) for share in (points - cell).unbind(dim=-1))
        below = grad * bottom
        above = grad - below
        # Behind the last cell is room for what no share goes to: the neighbours of cells on the rim.
        out = grad.new_zeros(count, channels, height * width + width + 1)
        for step, row in ((0, above), (width, below)):
            to_right = row * right
            out.scatter_add_(2, first + step, row - to_right)
            out.scatter_add_(2, first + (step + 1), to_right)
        return out[..., : height * width].reshape(ctx.shape), None
