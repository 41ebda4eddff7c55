"""Triton's kernels in Triton's interpreter, which needs no GPU; run by test_gpu_kernels.py, in a process of its own."""

import numpy as np
import pytest
import torch
from tests.detectors.assigners.test_mixture import random_row, scatter
from torch.nn.functional import embedding_bag

from triplehead.detectors import gpu_kernels
from triplehead.detectors.assigners import mixture
from triplehead.detectors.heads import box_taps, star


@pytest.fixture(autouse=True)
def _used_on_a_cpu(monkeypatch):
    for user in (mixture, box_taps):
        monkeypatch.setattr(user, "gpu_kernels", lambda *_: gpu_kernels)


def test_mixtures_are_those_of_torchs_operations(monkeypatch):
    rng = np.random.default_rng(3)
    rows = [random_row(i, int(rng.integers(1, 36)), rng) for i in range(66)]
    losses, valid = scatter(rows, rng)
    valid[5] = False
    found = mixture.fit(losses, valid)
    monkeypatch.setattr(mixture, "gpu_kernels", lambda *_: None)
    expected = mixture.fit(losses, valid)
    assert torch.equal(found.n_iter, expected.n_iter) and found.n_iter.max() > 10
    for name in ("weights", "means", "variances"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-12)


def test_rows_too_wide_for_the_kernel(monkeypatch):
    monkeypatch.setattr(gpu_kernels, "WIDEST_ROW", 3)
    losses = torch.tensor([[0.1, 0.2, 5.0, 5.1]])
    assert mixture.low_cluster(losses, losses > 0, "cluster").tolist() == [[True, True, False, False]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_embedding_bags(dtype):
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(40, (300,), dtype=torch.int32, generator=generator)
    first = torch.cat([torch.tensor([0, 0]), torch.randint(280, (50,), generator=generator).sort().values]).int()
    share, rows = torch.rand(300, generator=generator), torch.randn(40, 24, generator=generator).to(dtype)
    expected = embedding_bag(
        index, rows.float(), first, mode="sum", per_sample_weights=share, include_last_offset=True
    )  # what lies behind the last bag's end is in none
    torch.testing.assert_close(gpu_kernels.sums(index, first, share, rows), expected.to(dtype))


def test_star_convolutions_are_those_of_torchs_operations(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    maps = [torch.randn(2, 8, *size, generator=generator, requires_grad=True) for size in ((7, 10), (2, 3))]
    ltrb = [torch.rand(2, 4, *each.shape[2:], generator=generator) * 6 for each in maps]
    conv = star.StarConv(8)
    torch.nn.init.normal_(conv.weight, generator=generator)

    def values():
        found = conv(maps, star.star_taps(ltrb))
        return [*found, *torch.autograd.grad(sum(x.square().sum() for x in found), [*maps, conv.weight])]

    found = values()
    monkeypatch.setattr(box_taps, "gpu_kernels", lambda *_: None)
    for one, other in zip(found, values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
