"""Two-component Gaussian mixtures of many short rows of losses at once (paper, eqs. (3) and (4)).

Every row holds the losses of one ground-truth box's candidates. The result is that of scikit-learn's
`GaussianMixture(2, weights_init=[.5, .5], means_init=[[min], [max]], precisions_init=[[[1]], [[1]]])`
with its other settings left alone, but all rows advance together until they converge.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from triplehead.detectors.kernels import gpu_kernels

TOLERANCE = 1e-3  # EM stops when the mean log-likelihood changes by less
MAX_ITERATIONS = 100
VARIANCE_FLOOR = 1e-6  # added to every variance
EMPTY = 10 * torch.finfo(torch.float64).eps  # added to a component's mass
# Two densities closer than this are equal: two samples on either side of their mean differ by rounding only.
DENSITY_TIE = 1e-9


@dataclass(frozen=True)
class Mixture:
    """Fitted mixtures of R rows; component 0 started at the row's smallest loss, component 1 at its largest.

    weights, means, variances: [R, 2] float64. labels: [R, K] long, the likelier component (0 on a tie).
    log_density: [R, K] float64, of the mixture. n_iter: [R] long, EM iterations, 0 for rows that have
    fewer than two valid samples and therefore keep their start. Entries of invalid samples mean nothing.
    """

    weights: Tensor
    means: Tensor
    variances: Tensor
    labels: Tensor
    log_density: Tensor
    n_iter: Tensor


def _distance(x: Tensor, means: Tensor) -> Tensor:
    """(x - mu_c)^2 of samples [R, K] from both components' means [2, R] -> [2, R, K]."""
    return (x - means[:, :, None]).square_()


def _log_joint(distance: Tensor, weights: Tensor, variances: Tensor) -> Tensor:
    """log(gamma_c N(x | mu_c, Sigma_c)) of `_distance` [2, R, K], parameters [2, R] -> [2, R, K]."""
    constant = (weights * variances.rsqrt()).log_().sub_(0.5 * math.log(2 * math.pi))
    return (distance * (-0.5 / variances)[:, :, None]).add_(constant[:, :, None])


def _maximise(x: Tensor, responsibility: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """M-step: samples [R, K], responsibilities [2, R, K] (0 where invalid; spent) and their sums [R] -> weights,
    means, variances [2, R], and the samples' `_distance`."""
    mass = responsibility.sum(dim=2).add_(EMPTY)
    means = (responsibility * x).sum(dim=2).div_(mass)
    distance = _distance(x, means)
    variances = responsibility.mul_(distance).sum(dim=2).div_(mass).add_(VARIANCE_FLOOR)
    return mass.div_(total), means, variances, distance


def _iterate(x: Tensor, valid: Tensor, count: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
    """Samples [R, K], those that count and their numbers [R], first means [2, R] -> weights, means, variances
    [3, 2, R] and iterations [R]."""
    if (kernels := gpu_kernels(x)) and x.shape[1] <= kernels.WIDEST_ROW:
        constants = TOLERANCE, MAX_ITERATIONS, VARIANCE_FLOOR, EMPTY
        return kernels.expectation_maximisation(x, valid, means, *constants)
    fitted = torch.stack([torch.full_like(means, 0.5), means, torch.ones_like(means)])
    n_iter = torch.zeros_like(count)

    rows = (count >= 2).nonzero().squeeze(1)  # those that have not converged
    samples, mask, total = x[rows], valid[rows].double(), count[rows] + 2 * EMPTY
    bound = torch.full_like(total, -math.inf)
    weights, means, variances = fitted[:, :, rows]
    distance = _distance(samples, means)
    for iteration in range(1, MAX_ITERATIONS + 1):
        if not len(rows):
            break
        log_joint = _log_joint(distance, weights, variances)
        log_density = torch.logaddexp(*log_joint)  # [rows, K]
        responsibility = log_joint.sub_(log_density).exp_().mul_(mask)
        weights, means, variances, distance = _maximise(samples, responsibility, total)
        # As in scikit-learn the bound is that of the parameters before this M-step.
        previous, bound = bound, log_density.mul_(mask).sum(dim=1).div_(total)
        moving = ((bound - previous).abs_() >= TOLERANCE).nonzero().squeeze(1)
        if len(moving) < len(rows) or iteration == MAX_ITERATIONS:
            fitted[:, :, rows], n_iter[rows] = torch.stack([weights, means, variances]), iteration
            rows, total, bound = (part.index_select(0, moving) for part in (rows, total, bound))
            samples, mask = (part.index_select(0, moving) for part in (samples, mask))
            weights, variances, distance = (part.index_select(1, moving) for part in (weights, variances, distance))
    return fitted, n_iter


def fit(losses: Tensor, valid: Tensor) -> Mixture:
    """Fit one mixture per row by expectation maximisation, in float64.

    losses: [R, K], finite where valid. valid: bool [R, K]; rows may hold any number of valid samples.
    """
    x = losses.double()
    count = valid.sum(dim=1)
    low = x.masked_fill(~valid, math.inf).amin(dim=1).where(count > 0, 0.0)
    high = x.masked_fill(~valid, -math.inf).amax(dim=1).where(count > 0, 0.0)
    x = torch.where(valid, x, low[:, None])  # padding must be finite: 0 * inf is NaN

    fitted, n_iter = _iterate(x, valid, count, torch.stack([low, high]))
    log_joint = _log_joint(_distance(x, fitted[1]), fitted[0], fitted[2])
    labels = (log_joint[1] > log_joint[0]).long()
    weights, means, variances = fitted.transpose(1, 2)
    return Mixture(weights, means, variances, labels, torch.logaddexp(*log_joint), n_iter)


def low_cluster(losses: Tensor, valid: Tensor, boundary: Literal["cluster", "densest"]) -> Tensor:
    """The samples at or below the boundary f_m of the low-loss cluster; eqs. (3) and (4) -> bool [R, K].

    losses: [R, K]. valid: bool [R, K]. boundary: "cluster": f_m is the largest loss in component 0;
    "densest": f_m is the loss of component 0's sample of highest mixture density, the smaller loss on a
    tie (the separation of PAA, Kim and Lee 2020, fig. 3c). A component 0 without samples makes f_m the
    smallest loss. The smallest loss of a row is therefore always in; a lone sample is, too.
    """
    if boundary not in ("cluster", "densest"):
        raise ValueError(f"boundary must be 'cluster' or 'densest', got {boundary!r}")
    if not losses.numel():
        return torch.zeros_like(valid)
    mixture = fit(losses, valid)
    low = valid & (mixture.labels == 0)
    if boundary == "densest":
        density = mixture.log_density.masked_fill(~low, -math.inf)
        low &= density >= density.amax(dim=1, keepdim=True) - DENSITY_TIE
        f_m = losses.masked_fill(~low, math.inf).amin(dim=1)
    else:
        f_m = losses.masked_fill(~low, -math.inf).amax(dim=1)
    smallest = losses.masked_fill(~valid, math.inf).amin(dim=1)
    f_m = torch.where(low.any(dim=1), f_m, smallest)
    return valid & (losses <= f_m[:, None])
