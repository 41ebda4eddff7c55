"""Two loops that torch's operations can only unroll, as one kernel each, in Triton; see `kernels.gpu_kernels`."""

import torch
import triton
import triton.language as tl
from torch import Tensor

WIDEST_ROW = 1024  # samples of a row of `expectation_maximisation`


def sums(index: Tensor, first: Tensor, share: Tensor, rows: Tensor) -> Tensor:
    """What `embedding_bag` sums, in float32 and in a fixed order: of each bag share * rows[index] -> [R, C].

    index: [E] int32. first: [R + 1] int32, where bags begin, and where the last ends. share: [E]. rows: [N, C].
    """
    out = rows.new_empty(len(first) - 1, rows.shape[1])
    block = triton.next_power_of_2(rows.shape[1])
    if out.numel():
        with torch.cuda.device_of(rows):
            _sums[(len(out),)](index, first, share, rows.contiguous(), out, rows.shape[1], block, num_warps=2)
    return out


@triton.jit
def _sums(index, first, share, rows, out, channels, BLOCK: tl.constexpr):
    bag = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    inside = channel < channels
    total = tl.zeros((BLOCK,), tl.float32)
    for entry in range(tl.load(first + bag), tl.load(first + bag + 1)):
        row = rows + tl.load(index + entry).to(tl.int64) * channels
        total += tl.load(share + entry).to(tl.float32) * tl.load(row + channel, mask=inside, other=0).to(tl.float32)
    tl.store(out + bag * channels + channel, total.to(out.dtype.element_ty), mask=inside)


def expectation_maximisation(
    x: Tensor, valid: Tensor, means: Tensor, tolerance: float, max_iterations: int, floor: float, empty: float
) -> tuple[Tensor, Tensor]:
    """What `mixture.fit` iterates, a row at a time -> weights, means, variances [3, 2, R], iterations [R].

    x: [R, K] float64, finite, K at most WIDEST_ROW. valid: bool [R, K]. means: [2, R], the start.
    """
    num_rows, width = x.shape
    fitted = torch.stack([torch.full_like(means, 0.5), means, torch.ones_like(means)])
    n_iter = torch.zeros(num_rows, dtype=torch.long, device=x.device)
    if x.numel():
        with torch.cuda.device_of(x):
            _em[(num_rows,)](
                x.contiguous(), valid.contiguous(), fitted, n_iter, num_rows, width,
                tolerance, max_iterations, floor, empty, triton.next_power_of_2(width), num_warps=1,
            )  # fmt: skip
    return fitted, n_iter


@triton.jit
def _em(
    x_of, valid_of, fitted, n_iter, num_rows, width,
    TOLERANCE: tl.constexpr, MAX_ITERATIONS: tl.constexpr, FLOOR: tl.constexpr, EMPTY: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    x = tl.load(x_of + row * width + column, mask=inside, other=0)
    mask = tl.load(valid_of + row * width + column, mask=inside, other=0).to(tl.float64)
    # A plain number beside a float64 may be rounded to float32 first.
    tolerance, floor = tl.full((), TOLERANCE, tl.float64), tl.full((), FLOOR, tl.float64)
    empty, log_root = tl.full((), EMPTY, tl.float64), tl.full((), 0.9189385332046727, tl.float64)  # log(2 pi) / 2
    count = tl.sum(mask)
    total = count + 2 * empty

    low, high = fitted + row, fitted + num_rows + row  # of the two components
    apart = 2 * num_rows  # from weights to means, from means to variances
    weight_low, weight_high = tl.load(low), tl.load(high)
    mean_low, mean_high = tl.load(low + apart), tl.load(high + apart)
    variance_low, variance_high = tl.load(low + 2 * apart), tl.load(high + 2 * apart)
    bound = tl.full((), float("-inf"), tl.float64)
    iteration = 0
    moving = count >= 2
    while moving & (iteration < MAX_ITERATIONS):
        joint_low = (x - mean_low) * (x - mean_low) * (-0.5 / variance_low)
        joint_low += tl.log(weight_low / tl.sqrt(variance_low)) - log_root
        joint_high = (x - mean_high) * (x - mean_high) * (-0.5 / variance_high)
        joint_high += tl.log(weight_high / tl.sqrt(variance_high)) - log_root
        density = tl.maximum(joint_low, joint_high)
        density += tl.log(1 + tl.exp(tl.minimum(joint_low, joint_high) - density))

        share_low, share_high = tl.exp(joint_low - density) * mask, tl.exp(joint_high - density) * mask
        mass_low, mass_high = tl.sum(share_low) + empty, tl.sum(share_high) + empty
        mean_low, mean_high = tl.sum(share_low * x) / mass_low, tl.sum(share_high * x) / mass_high
        variance_low = tl.sum(share_low * (x - mean_low) * (x - mean_low)) / mass_low + floor
        variance_high = tl.sum(share_high * (x - mean_high) * (x - mean_high)) / mass_high + floor
        weight_low, weight_high = mass_low / total, mass_high / total

        previous = bound
        bound = tl.sum(density * mask) / total
        moving = tl.abs(bound - previous) >= tolerance
        iteration += 1

    tl.store(low, weight_low)
    tl.store(high, weight_high)
    tl.store(low + apart, mean_low)
    tl.store(high + apart, mean_high)
    tl.store(low + 2 * apart, variance_low)
    tl.store(high + 2 * apart, variance_high)
    tl.store(n_iter + row, iteration)
