"""Samples that several boxes claim (paper, eqs. (5) and (6))."""

from typing import Literal

import torch
from torch import Tensor

IGNORE, BACKGROUND = -2, -1
SMALLEST_LOSS = 1e-12  # eq. (5) divides by the loss, which may be 0


def ambiguity_weights(losses: Tensor, sample: Tensor, num_samples: int) -> Tensor:
    """w_ij of eq. (5): how strongly box i attracts sample j, among the boxes that claim j -> float64 [P].

    losses: [P], l_ij of each claim. sample: [P] long, j of each claim. The weights of a sample sum to 1:

        l*_ij = sum_i l_ij / l_ij        w_ij = l*_ij / sum_i l*_ij
    """
    loss = losses.double().clamp(min=SMALLEST_LOSS)
    zeros = loss.new_zeros(num_samples)
    inverse = zeros.index_add(0, sample, loss)[sample] / loss
    return inverse / zeros.index_add(0, sample, inverse)[sample]


def theta_star(theta: float, n: Tensor | int) -> Tensor | float:
    """theta* of eq. (6): theta + 1/n - 0.5, the threshold among n boxes that is theta among two."""
    return (theta - 0.5) + 1 / n  # in this order equal weights never exceed the threshold at theta = 0.5


def resolve(
    point_index: Tensor,
    gt_index: Tensor,
    losses: Tensor,
    theta: float,
    late: bool,
    fallback: Literal["ignore", "background", "max_weight"],
) -> tuple[Tensor, Tensor]:
    """Give every claimed point to one box, or to none -> points [U] (sorted), decision [U].

    point_index, gt_index, losses: [P], the claims in any order. decision: the box's index as in gt_index,
    or -1 (background), or -2 (ignore).

    A point with one claim goes to it. An ambiguous one goes to the box of smallest loss if training is
    `late` or theta < 0.5, where the paper does not use the weights. Otherwise it goes to the box of largest
    weight, eq. (5), if that exceeds theta*, eq. (6), and else to the `fallback`. Equal losses: lowest index.
    """
    fallbacks = ("ignore", "background", "max_weight")
    if fallback not in fallbacks:
        raise ValueError(f"fallback must be one of {', '.join(fallbacks)}, got {fallback!r}")
    points, sample, num_claims = point_index.unique(return_inverse=True, return_counts=True)

    # Sort by (point, loss, box): the first claim of each point has the smallest loss and so, w falling
    # with l in eq. (5), the largest weight.
    order = gt_index.argsort(stable=True)
    order = order[losses[order].argsort(stable=True)]
    order = order[sample[order].argsort(stable=True)]
    best = order[num_claims.cumsum(0) - num_claims]  # [U]
    decision = gt_index[best]
    if late or theta < 0.5 or fallback == "max_weight":
        return points, decision

    weight = ambiguity_weights(losses, sample, len(points))[best]
    decided = (num_claims == 1) | (weight > theta_star(theta, num_claims.double()))
    return points, torch.where(decided, decision, IGNORE if fallback == "ignore" else BACKGROUND)
