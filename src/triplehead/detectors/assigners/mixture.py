"""Two-component Gaussian mixtures of many short rows of losses at once (paper, eqs. (3) and (4)).

Every row holds the losses of one ground-truth box's candidates. The result is that of scikit-learn's
`GaussianMixture(2, weights_init=[.5, .5], means_init=[[min], [max]], precisions_init=[[[1]], [[1]]])`
with its other settings left alone, but all rows advance together; the converged are set aside once they are half.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

TOLERANCE = 1e-3  # EM stops when the mean log-likelihood changes by less
MAX_ITERATIONS = 100
VARIANCE_FLOOR = 1e-6  # added to every variance
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


def _log_joint(x: Tensor, weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """log(gamma_c N(x | mu_c, Sigma_c)) of samples [R, K] under both components, parameters [2, R] -> [2, R, K]."""
    root = variances.rsqrt()
    distance = (x - means[:, :, None]).mul_(root[:, :, None])
    constant = (weights * root).log_().sub_(0.5 * math.log(2 * math.pi))
    return constant[:, :, None].sub(distance.square_(), alpha=0.5)


def _maximise(x: Tensor, responsibility: Tensor) -> Tensor:
    """M-step: samples [R, K], responsibilities [2, R, K] (0 where invalid) -> weights, means, variances [3, 2, R]."""
    mass = responsibility.sum(dim=2).add_(10 * torch.finfo(x.dtype).eps)
    means = (responsibility * x).sum(dim=2).div_(mass)
    deviation = x - means[:, :, None]
    variances = deviation.square_().mul_(responsibility).sum(dim=2).div_(mass).add_(VARIANCE_FLOOR)
    return torch.stack([mass / mass.sum(dim=0), means, variances])


def fit(losses: Tensor, valid: Tensor) -> Mixture:
    """Fit one mixture per row by expectation maximisation, in float64.

    losses: [R, K], finite where valid. valid: bool [R, K]; rows may hold any number of valid samples.
    """
    x = losses.double()
    count = valid.sum(dim=1)
    low = x.masked_fill(~valid, math.inf).amin(dim=1).where(count > 0, 0.0)
    high = x.masked_fill(~valid, -math.inf).amax(dim=1).where(count > 0, 0.0)
    x = torch.where(valid, x, low[:, None])  # padding must be finite: 0 * inf is NaN

    start = torch.stack([low, high])
    fitted = torch.stack([torch.full_like(start, 0.5), start, torch.ones_like(start)])  # [3, 2, R]
    n_iter = torch.zeros_like(count)

    rows = (count >= 2).nonzero().squeeze(1)  # those that are computed; among them `moving` have not converged
    samples, mask, size, parameters = x[rows], valid[rows].double(), count[rows], fitted[:, :, rows]
    moving = torch.ones_like(rows, dtype=torch.bool)
    bound, done = torch.full_like(low, -math.inf)[rows], torch.zeros_like(rows)
    for _ in range(MAX_ITERATIONS):
        num_moving = int(moving.sum())
        if 2 * num_moving <= len(rows):
            fitted[:, :, rows], n_iter[rows] = parameters, done
            rows, samples, mask, size = rows[moving], samples[moving], mask[moving], size[moving]
            bound, parameters, done, moving = bound[moving], parameters[:, :, moving], done[moving], moving[moving]
        if not num_moving:
            break
        log_joint = _log_joint(samples, *parameters)
        log_density = torch.logaddexp(*log_joint)  # [rows, K]
        responsibility = (log_joint - log_density).exp_() * mask
        parameters = torch.where(moving, _maximise(samples, responsibility), parameters)
        done += moving
        # As in scikit-learn the bound is that of the parameters before this M-step.
        previous, bound = bound, (log_density * mask).sum(dim=1) / size
        moving = moving & ((bound - previous).abs() >= TOLERANCE)
    fitted[:, :, rows], n_iter[rows] = parameters, done

    log_joint = _log_joint(x, *fitted)
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
