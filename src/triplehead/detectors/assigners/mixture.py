"""Two-component Gaussian mixtures of many short rows of losses at once (paper, eqs. (3) and (4)).

Every row holds the losses of one ground-truth box's candidates. The result is that of scikit-learn's
`GaussianMixture(2, weights_init=[.5, .5], means_init=[[min], [max]], precisions_init=[[[1]], [[1]]])`
with its other settings left alone, but all rows advance together and a converged row costs nothing more.
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
    """log(gamma_c N(x | mu_c, Sigma_c)) of samples [R, K] under both components -> [R, 2, K]."""
    root = variances.rsqrt()
    distance = x[:, None, :] * root[:, :, None] - (means * root)[:, :, None]
    constant = weights.log() + root.log() - 0.5 * math.log(2 * math.pi)
    return constant[:, :, None] - 0.5 * distance.square()


def _maximise(x: Tensor, responsibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """M-step: samples [R, K] and responsibilities [R, 2, K] (0 where invalid) -> parameters, each [R, 2]."""
    mass = responsibility.sum(dim=2) + 10 * torch.finfo(x.dtype).eps
    means = (responsibility * x[:, None, :]).sum(dim=2) / mass
    deviation = x[:, None, :] - means[:, :, None]
    variances = (responsibility * deviation.square()).sum(dim=2) / mass + VARIANCE_FLOOR
    return mass / mass.sum(dim=1, keepdim=True), means, variances


def fit(losses: Tensor, valid: Tensor) -> Mixture:
    """Fit one mixture per row by expectation maximisation, in float64.

    losses: [R, K], finite where valid. valid: bool [R, K]; rows may hold any number of valid samples.
    """
    x = losses.double()
    count = valid.sum(dim=1)
    low = x.masked_fill(~valid, math.inf).amin(dim=1).where(count > 0, 0.0)
    high = x.masked_fill(~valid, -math.inf).amax(dim=1).where(count > 0, 0.0)
    x = torch.where(valid, x, low[:, None])  # padding must be finite: 0 * inf is NaN

    weights = torch.full((len(x), 2), 0.5, dtype=x.dtype, device=x.device)
    means = torch.stack([low, high], dim=1)
    variances = torch.ones_like(weights)
    n_iter = torch.zeros_like(count)

    rows = (count >= 2).nonzero().squeeze(1)  # the rows that have not converged
    bound = torch.full_like(low, -math.inf)[rows]
    for _ in range(MAX_ITERATIONS):
        if not len(rows):
            break
        samples, mask = x[rows], valid[rows]
        log_joint = _log_joint(samples, weights[rows], means[rows], variances[rows])
        log_density = log_joint.logsumexp(dim=1)  # [rows, K]
        responsibility = (log_joint - log_density[:, None, :]).exp() * mask[:, None, :]
        weights[rows], means[rows], variances[rows] = _maximise(samples, responsibility)
        n_iter[rows] += 1
        # As in scikit-learn the bound is that of the parameters before this M-step.
        previous, bound = bound, (log_density * mask).sum(dim=1) / count[rows]
        moving = (bound - previous).abs() >= TOLERANCE
        rows, bound = rows[moving], bound[moving]

    log_joint = _log_joint(x, weights, means, variances)
    labels = (log_joint[:, 1] > log_joint[:, 0]).long()
    return Mixture(weights, means, variances, labels, log_joint.logsumexp(dim=1), n_iter)


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
