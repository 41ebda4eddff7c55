"""Eqs. (5) and (6) by hand, and what happens to every kind of claim."""

import pytest
import torch
from tests.detectors.assigners.assigner_references import decide

from triplehead.detectors.assigners.ambiguous import ambiguity_weights, resolve, theta_star

FALLBACKS = ("ignore", "background", "max_weight")


def weights(*losses: float) -> list[float]:
    return ambiguity_weights(torch.tensor(losses), torch.zeros(len(losses), dtype=torch.long), 1).tolist()


def resolve_one(losses, theta=0.6, late=False, fallback="ignore", gt=None) -> int:
    gt = torch.tensor(range(len(losses)) if gt is None else gt)
    points, decision = resolve(torch.full_like(gt, 7), gt, torch.tensor(losses), theta, late, fallback)
    assert points.tolist() == [7]
    return decision.item()


def test_weights_by_hand():
    """l = 1, 3: l* = 4, 4/3; w = 3/4, 1/4. l = 1, 2, 4: l* = 7, 7/2, 7/4; w = 4/7, 2/7, 1/7."""
    assert weights(1.0, 3.0) == pytest.approx([0.75, 0.25])
    assert weights(1.0, 2.0, 4.0) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert weights(5.0) == [1.0]


def test_weights_are_per_sample():
    sample = torch.tensor([2, 0, 2, 0, 1])
    found = ambiguity_weights(torch.tensor([1.0, 2.0, 3.0, 2.0, 9.0]), sample, 3)
    torch.testing.assert_close(found, torch.tensor([0.75, 0.5, 0.25, 0.5, 1.0], dtype=torch.float64))


def test_weights_of_zero_and_huge_losses():
    assert weights(0.0, 1.0) == pytest.approx([1, 0], abs=1e-9)
    assert weights(0.0, 0.0) == [0.5, 0.5]
    assert weights(3e38, 3e38, 1.0) == pytest.approx([0, 0, 1])


def test_theta_star_by_hand():
    assert theta_star(0.6, 2) == pytest.approx(0.6)
    assert theta_star(0.6, 3) == pytest.approx(0.43333333)
    assert theta_star(0.6, 4) == pytest.approx(0.35)
    assert theta_star(0.7, 10) == pytest.approx(0.3)
    torch.testing.assert_close(theta_star(0.8, torch.tensor([2.0, 4.0])), torch.tensor([0.8, 0.55]))


def test_two_claims_on_either_side_of_theta():
    """w = 3/4 exceeds 0.6 and 0.7, not 0.8."""
    assert resolve_one([3.0, 1.0], theta=0.6) == 1
    assert resolve_one([3.0, 1.0], theta=0.7) == 1
    assert resolve_one([3.0, 1.0], theta=0.8) == -2
    assert resolve_one([3.0, 1.0], theta=0.8, fallback="background") == -1
    assert resolve_one([3.0, 1.0], theta=0.8, fallback="max_weight") == 1


def test_the_weight_must_exceed_theta():
    assert resolve_one([3.0, 1.0], theta=0.75) == -2
    for n in range(2, 30):
        assert resolve_one([1.0] * n, theta=0.5) == -2


def test_three_claims_use_theta_star():
    """w = 4/7 = 0.571 is below 0.6 but above theta* = 0.433; w = 0.4 is below."""
    assert resolve_one([1.0, 2.0, 4.0]) == 0
    assert resolve_one([1.0, 4 / 3, 4 / 3]) == -2


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_one_claim_needs_no_threshold(fallback):
    assert resolve_one([123.0], theta=1.0, fallback=fallback, gt=[4]) == 4


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_late_or_below_one_half_smallest_loss_wins(fallback):
    assert resolve_one([1.1, 1.0, 1.2], late=True, fallback=fallback) == 1
    assert resolve_one([1.1, 1.0, 1.2], theta=0.49, fallback=fallback) == 1
    assert resolve_one([1.1, 1.0, 1.2], theta=0.5, fallback="ignore") == 1  # w = 0.365 > theta* = 1/3


@pytest.mark.parametrize("order", [[3, 1, 2], [1, 2, 3], [2, 3, 1]])
def test_ties_go_to_the_lowest_box(order):
    assert resolve_one([1.0, 1.0, 1.0], late=True, gt=order) == 1
    assert resolve_one([1.0, 1.0, 1.0], fallback="max_weight", gt=order) == 1
    assert resolve_one([0.0, 0.0, 0.0], theta=0.0, gt=order) == 1


@pytest.mark.parametrize("theta", [0.0, 0.5, 0.6, 0.8])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("fallback", FALLBACKS)
def test_random_claims_equal_the_loop(theta, late, fallback):
    g = torch.Generator().manual_seed(3)
    claimed = torch.rand(7, 300, generator=g) < 0.35
    gt, point = claimed.nonzero(as_tuple=True)
    shuffle = torch.randperm(len(gt), generator=g)
    gt, point = gt[shuffle], point[shuffle]
    losses = torch.rand(len(gt), generator=g, dtype=torch.float64) + 0.05
    points, decision = resolve(point, gt, losses, theta, late, fallback)
    assert points.tolist() == claimed.any(dim=0).nonzero().flatten().tolist()
    for n, found in zip(points.tolist(), decision.tolist(), strict=True):
        claims = [(loss, m) for loss, m, k in zip(losses.tolist(), gt.tolist(), point.tolist(), strict=True) if k == n]
        assert found == decide(claims, theta, late, fallback)
    undecided = (decision < 0).sum()
    assert (undecided > 10) == (not late and theta > 0.5 and fallback != "max_weight")


def test_no_claims():
    none = torch.zeros(0, dtype=torch.long)
    points, decision = resolve(none, none, torch.zeros(0), 0.6, False, "ignore")
    assert len(points) == len(decision) == 0


def test_unknown_fallback():
    with pytest.raises(ValueError, match="ignore, background, max_weight"):
        resolve_one([1.0, 2.0], fallback="min_area")
