"""Means and intervals: closed forms, and how often the interval holds the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from triplehead.analysis.statistics import estimate
from triplehead.analysis.statistics.estimate import half_width, mean_and_std


def test_seeds_alone_are_students_t():
    values = [30.0, 31.0, 33.5]
    found = estimate(values)
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.value, found.std, found.n) == (
        pytest.approx(31.5),
        pytest.approx(np.std(values, ddof=1)),
        3,
    )
    assert found.seed_se == pytest.approx(found.std / math.sqrt(3)) and found.image_se is None
    assert found.sources == ("seeds",)


def test_one_seed_without_resamples_has_no_interval():
    found = estimate([30.0])
    assert (found.value, found.n, found.std, found.low, found.high, found.sources) == (30, 1, None, None, None, ())


def test_nothing_is_nothing():
    found = estimate([])
    assert found.value is None and found.n == 0 and found.low is None


def test_one_seed_with_resamples_is_of_that_model_alone():
    replicates = np.random.default_rng(0).normal(30, 2, (1, 1000))
    found = estimate([30.0], replicates, num_images=400)
    assert found.sources == ("images",) and found.seed_se is None
    assert found.image_se == pytest.approx(replicates.std(ddof=1) * math.sqrt(400 / 399))
    assert found.high - 30 == pytest.approx(stats.t.ppf(0.975, 399) * found.image_se)


def test_image_noise_is_what_seeds_share():
    """b common to all seeds, c to one: the pairs' covariance is b's variance, whatever c's."""
    generator = np.random.default_rng(3)
    b, c = generator.normal(0, 1.0, 200_000), generator.normal(0, 3.0, (3, 200_000))
    found = estimate([1.0, 2.0, 4.0], 30 + b + c, num_images=10**6)
    assert found.image_se == pytest.approx(1.0, rel=0.05)
    assert estimate([1.0, 2.0, 4.0], 30 + c, num_images=10**6).image_se < 0.3  # nothing shared: 0 but for chance


def test_seeds_that_lie_closer_than_their_resamples_allow_are_taken_to_vary_as_these():
    generator = np.random.default_rng(3)
    b, c = generator.normal(0, 1.0, 200_000), generator.normal(0, 3.0, (3, 200_000))
    near, far = (estimate(values, 30 + b + c, num_images=10**6) for values in ([1.0, 1.1, 1.2], [1.0, 9.0, 40.0]))
    assert near.std == pytest.approx(0.1) and near.seed_se == pytest.approx(3 / math.sqrt(3), rel=0.01)
    assert near.high - near.value == pytest.approx(1.96 * math.sqrt(1 + 9 / 3), rel=0.01)
    assert far.seed_se == pytest.approx(far.std / math.sqrt(3))
    assert far.high - far.value == pytest.approx(half_width(far.seed_se, 2, far.image_se, 10**6))


def test_images_that_two_seeds_share_wholly_are_no_floor_of_their_seeds():
    drawn = np.random.default_rng(3).normal(30, 2, (1, 1000)).repeat(3, axis=0)
    found = estimate([1.0, 1.1, 1.2], drawn, num_images=400)
    assert found.seed_se == pytest.approx(found.std / math.sqrt(3))


def test_resamples_with_nothing_to_find_are_left_out():
    replicates = np.random.default_rng(0).normal(30, 2, (2, 1000))
    holes = replicates.copy()
    holes[0, 0], holes[1, 1] = np.nan, np.nan
    expected = estimate([30.0, 31.0], replicates[:, 2:], 50)
    assert estimate([30.0, 31.0], holes, 50) == expected
    holes[0, :900] = np.nan
    assert estimate([30.0, 31.0], holes, 50).image_se is None
    assert estimate([30.0, 31.0], replicates, 1).image_se is None  # one image: nothing to resample


def test_no_spread_is_an_interval_of_no_length():
    found = estimate([5.0, 5.0, 5.0])
    assert (found.low, found.high, found.seed_se) == (5, 5, 0)


def test_half_width_of_a_single_source_is_students_whatever_stands_beside_it():
    assert half_width(2.0, 2, None, -1) == pytest.approx(2 * stats.t.ppf(0.975, 2))
    assert half_width(2.0, 2, 0.0, 499) == pytest.approx(2 * stats.t.ppf(0.975, 2))
    assert half_width(0.0, 2, 2.0, 499) == pytest.approx(2 * stats.t.ppf(0.975, 499))
    assert half_width(0.0, 2, 0.0, 499, 2.0) == pytest.approx(2 * stats.t.ppf(0.975, 499))  # each seed's luck alone
    assert half_width(0.0, 2, 0.0, 499) == half_width(1e-200, 2, 0.0, 499) == 0
    assert half_width(None, 0, None, 0) is None


def test_more_noise_never_shortens_the_interval():
    """Satterthwaite's alone does: its degrees of freedom rise faster than the variance."""
    for step in (0.05, 0.5):
        widths = [half_width(1, 2, step * index, 499) for index in range(60)]
        assert widths == sorted(widths) and widths[-1] > 1.2 * widths[0]
        widths = [half_width(step * index, 2, 1, 499) for index in range(60)]
        assert widths == sorted(widths) and widths[-1] > 1.2 * widths[0]


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("image_noise", [0.0, 0.2, 0.5, 1.0, 3.0])
def test_coverage_is_95_percent(seeds, image_noise):
    found = _studies(seeds, a=1, b=image_noise, c=0.4)
    assert 0.93 <= np.mean([each.low <= TRUTH <= each.high for each in found]) <= 0.97


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("image_noise", [0.0, 0.3])
def test_where_seeds_differ_in_their_luck_with_the_images_the_interval_errs_on_the_long_side(seeds, image_noise):
    found = list(_studies(seeds, a=0, b=image_noise, c=1))
    holds = np.array([each.low <= TRUTH <= each.high for each in found])
    assert holds.mean() >= 0.96
    closest = np.argsort([each.std for each in found])[: len(found) // 10]
    assert holds[closest].mean() >= 0.92  # 0.63 to 0.68 by the seeds' own spread


TRUTH = 40


def _studies(seeds, a, b, c):
    """Estimates of studies of scores mu + a_s + b_I + c_sI with known mu, by the terms' standard deviations; b and c are
    means over images, resampled by bootstrap."""
    generator = np.random.default_rng(seeds)
    images, resamples = 60, 150
    for _ in range(3000):
        shared = generator.normal(0, b * math.sqrt(images), images)
        own = generator.normal(0, c * math.sqrt(images), (seeds, images))
        each = TRUTH + generator.normal(0, a, (seeds, 1)) + shared + own  # [S, N], a score an image
        counts = generator.multinomial(images, np.full(images, 1 / images), resamples)
        yield estimate(each.mean(axis=1), each @ counts.T / images, images)


def test_mean_and_std_of_few_values():
    assert mean_and_std([]) == (None, None)
    assert mean_and_std([2.5]) == (2.5, None)
    assert mean_and_std([1.0, 2.0, 4.0]) == (pytest.approx(7 / 3), pytest.approx(stats.tstd([1, 2, 4])))
