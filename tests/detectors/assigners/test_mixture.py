"""The batched mixture against scikit-learn, row by row."""

import math

import numpy as np
import pytest
import torch
from tests.detectors.assigners.assigner_references import boundary_sklearn, fit_sklearn

from triplehead.detectors.assigners.mixture import fit, low_cluster

K = 35
BOUNDARIES = ("cluster", "densest")


def random_row(kind: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Losses as they look early, midway and late in training, and shapes that break naive mixtures."""
    shapes = [
        lambda: rng.gamma(2, 1, k),
        lambda: np.concatenate([rng.normal(0.5, 0.1, max(1, k // 3)), rng.normal(2.5, 0.4, k)])[:k],
        lambda: rng.lognormal(0, 1, k),
        lambda: 1 + rng.normal(0, 10.0 ** -rng.integers(1, 6), k),  # near-ties
        lambda: np.full(k, rng.gamma(2, 1)),  # all equal
        lambda: rng.gamma(2, 1, k).round(1),  # duplicates
        lambda: rng.gamma(0.5, 0.3, k),
        lambda: rng.normal(6, 0.5, k),
        lambda: rng.choice(rng.gamma(2, 1, 3), k),  # three values
        lambda: rng.exponential(30, k),
        lambda: np.append(rng.normal(1, 0.2, k - 1), 50.0),  # an outlier
    ]
    return np.abs(shapes[kind % len(shapes)]()).astype(np.float32)


def scatter(rows: list[np.ndarray], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Ragged rows into [R, K], each at columns of its own; what is not valid holds rubbish."""
    losses = torch.full((len(rows), K), math.nan)
    losses[::2] = -1e30
    valid = torch.zeros(len(rows), K, dtype=torch.bool)
    for i, row in enumerate(rows):
        columns = np.sort(rng.permutation(K)[: len(row)])
        losses[i, columns] = torch.from_numpy(row)
        valid[i, columns] = True
    return losses, valid


def decided_by_rounding(row: np.ndarray, model) -> bool:
    """Whether scikit-learn's own labels hang on the last bits: a sample equally likely under both components.

    Happens where losses are so close that both components coincide, or where a sample lies midway between
    two mirror images. Equal losses are no such case: there both components are the same, bit by bit.
    """
    probability = model.predict_proba(row.astype(np.float64)[:, None])
    tie = np.abs(probability[:, 0] - probability[:, 1]) < 1e-13
    return tie.any() and np.ptp(row) > 0


@pytest.mark.parametrize("num_rows", [330, pytest.param(3300, marks=pytest.mark.slow)])
def test_equals_scikit_learn_set_for_set(num_rows):
    rng = np.random.default_rng(num_rows)
    rows = [random_row(i, int(rng.integers(2, K + 1)), rng) for i in range(num_rows)]
    losses, valid = scatter(rows, rng)
    mixture = fit(losses, valid)
    ours = {boundary: low_cluster(losses, valid, boundary) for boundary in BOUNDARIES}
    assert not any((positive & ~valid).any() for positive in ours.values())

    largest = dict.fromkeys(("log density", "means", "variances", "weights"), 0.0)
    by_rounding = 0
    for i, row in enumerate(rows):
        labels, density, model = fit_sklearn(row)
        where = valid[i]
        assert mixture.n_iter[i] == model.n_iter_, i
        if decided_by_rounding(row, model):
            by_rounding += 1
            continue
        np.testing.assert_array_equal(mixture.labels[i, where].numpy(), labels, err_msg=f"row {i}")
        for boundary, positive in ours.items():
            expected = row <= boundary_sklearn(row, labels, density, boundary)
            np.testing.assert_array_equal(positive[i, where].numpy(), expected, err_msg=f"row {i}, {boundary}")
        found = {
            "log density": (mixture.log_density[i, where].numpy(), density),
            "means": (mixture.means[i].numpy(), model.means_[:, 0]),
            "variances": (mixture.variances[i].numpy(), model.covariances_[:, 0, 0]),
            "weights": (mixture.weights[i].numpy(), model.weights_),
        }
        for name, (a, b) in found.items():
            largest[name] = max(largest[name], np.max(np.abs(a - b) / np.maximum(1, np.abs(b))))
    print(f"{num_rows} rows, {by_rounding} decided by rounding, largest differences:", largest)
    assert by_rounding < 0.01 * num_rows
    assert all(value < 1e-12 for value in largest.values()), largest


def test_losses_that_differ_in_the_last_bit():
    """Both components coincide here up to rounding, which decides the labels in scikit-learn too.

    Whatever it decides: the positives are a lower set of the losses and hold the smallest.
    """
    rng = np.random.default_rng(0)
    rows = [np.float32(1) + np.float32(6e-8) * rng.integers(0, 3, K).astype(np.float32) for _ in range(200)]
    losses, valid = scatter(rows, rng)
    for boundary in BOUNDARIES:
        positive = low_cluster(losses, valid, boundary)
        for i, row in enumerate(rows):
            found = positive[i, valid[i]].numpy()
            assert found[row == row.min()].all()
            assert np.array_equal(found, row <= row[found].max())


def test_rows_do_not_influence_each_other():
    rng = np.random.default_rng(1)
    rows = [random_row(i, int(rng.integers(2, K + 1)), rng) for i in range(60)]
    losses, valid = scatter(rows, rng)
    for boundary in BOUNDARIES:
        together = low_cluster(losses, valid, boundary)
        alone = torch.cat([low_cluster(losses[i : i + 1], valid[i : i + 1], boundary) for i in range(60)])
        assert torch.equal(together, alone)
        order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
        assert torch.equal(low_cluster(losses[order], valid[order], boundary), together[order])
        columns = torch.randperm(K, generator=torch.Generator().manual_seed(1))
        assert torch.equal(low_cluster(losses[:, columns], valid[:, columns], boundary), together[:, columns])


@pytest.mark.parametrize("boundary", BOUNDARIES)
class TestDegenerate:
    def test_one_candidate_is_positive(self, boundary):
        valid = torch.tensor([[False, True, False]])
        assert torch.equal(low_cluster(torch.tensor([[0.0, 5.0, 1.0]]), valid, boundary), valid)

    def test_no_candidate_no_positive(self, boundary):
        valid = torch.zeros(2, 3, dtype=torch.bool)
        valid[1] = True
        positive = low_cluster(torch.tensor([[0.0, 1, 2], [0, 1, 2]]), valid, boundary)
        assert not positive[0].any() and positive[1].any()

    @pytest.mark.parametrize("shape", [(0, 35), (3, 0), (0, 0)])
    def test_empty(self, boundary, shape):
        assert low_cluster(torch.zeros(shape), torch.zeros(shape, dtype=torch.bool), boundary).shape == shape

    def test_all_equal_are_all_positive(self, boundary):
        losses = torch.full((1, 35), 0.7)
        assert low_cluster(losses, torch.ones_like(losses, dtype=torch.bool), boundary).all()

    def test_of_two_far_apart_the_smaller(self, boundary):
        losses = torch.tensor([[9.0, 1.0]])
        valid = torch.ones_like(losses, dtype=torch.bool)
        assert low_cluster(losses, valid, boundary).tolist() == [[False, True]]

    def test_huge_losses(self, boundary):
        losses = torch.tensor([[1.0, 1.2, 0.9, 3e38, 3e38], [3e38, 2e38, 0.0, 1e38, 3e38]])
        valid = torch.ones_like(losses, dtype=torch.bool)
        mixture = fit(losses, valid)
        assert all(torch.isfinite(t).all() for t in (mixture.means, mixture.variances, mixture.log_density))
        positive = low_cluster(losses, valid, boundary)
        assert positive.any(dim=1).all() and not positive[0, 3:].any()


def test_empty_low_component_leaves_the_smallest_loss():
    """Nearly equal, skewed losses: every sample is likelier under component 1."""
    rng = np.random.default_rng(0)
    rows = [(1 + rng.normal(0, 1e-5, K)).astype(np.float32) for _ in range(100)]
    losses, valid = scatter(rows, rng)
    empty = ((fit(losses, valid).labels == 1) | ~valid).all(dim=1)
    assert empty.any()
    for boundary in BOUNDARIES:
        positive = low_cluster(losses, valid, boundary)
        smallest = losses.masked_fill(~valid, math.inf).amin(dim=1, keepdim=True)
        assert torch.equal(positive[empty], (valid & (losses == smallest))[empty])


def test_two_clear_clusters():
    low, high = torch.tensor([0.1, 0.2, 0.15, 0.12, 0.19]), torch.tensor([4.0, 4.2, 4.1, 3.9])
    losses = torch.cat([high, low])[None]
    valid = torch.ones_like(losses, dtype=torch.bool)
    assert low_cluster(losses, valid, "cluster").tolist() == [[False] * 4 + [True] * 5]
    # Component 0 has mean 0.152 and is densest at 0.15.
    assert low_cluster(losses, valid, "densest")[0].nonzero().flatten().tolist() == [4, 6, 7]


def test_unknown_boundary():
    with pytest.raises(ValueError, match="'cluster' or 'densest'"):
        low_cluster(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), "Densest")
