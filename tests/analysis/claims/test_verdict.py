"""Verdict logic on constructed intervals."""

import math
from dataclasses import replace

import pytest

from triplehead.analysis.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_MEASURED,
    SUPPORTED,
    TOO_FEW,
    Comparison,
    judge,
    judge_count,
    judge_one,
    size,
)
from triplehead.analysis.statistics import Estimate

NAN, INF = math.nan, math.inf


def interval(low, high, n=3, value=None, claim="greater", region=0.2, null=0.0, name="a − b") -> Comparison:
    value = (low + high) / 2 if value is None else value
    return Comparison(name, Estimate(value, 1.0, n, low, high), claim, region, null)


@pytest.mark.parametrize(
    ("claim", "low", "high", "verdict"),
    [
        ("greater", 0.3, 2.0, SUPPORTED),
        ("greater", 0.2, 2.0, INCONCLUSIVE),  # touches the region
        ("greater", 0.1, 2.0, INCONCLUSIVE),
        ("greater", -9.0, 9.0, INCONCLUSIVE),
        ("greater", -0.1, 0.1, CONTRADICTED),  # an effect was claimed, none is there
        ("greater", -0.5, 0.1, CONTRADICTED),
        ("greater", -3.0, -1.0, CONTRADICTED),
        ("less", -2.0, -0.3, SUPPORTED),
        ("less", -2.0, -0.1, INCONCLUSIVE),
        ("less", -0.1, 0.1, CONTRADICTED),
        ("less", 1.0, 3.0, CONTRADICTED),
        ("equal", -0.1, 0.2, SUPPORTED),
        ("equal", -0.1, 0.3, INCONCLUSIVE),
        ("equal", 0.3, 0.4, CONTRADICTED),
        ("equal", -0.4, -0.3, CONTRADICTED),
        ("different", 0.3, 0.4, SUPPORTED),
        ("different", -0.4, -0.3, SUPPORTED),
        ("different", -0.1, 0.1, CONTRADICTED),
        ("different", -0.1, 0.3, INCONCLUSIVE),
        ("different", 0.1, 0.4, INCONCLUSIVE),  # not 0, but perhaps too little to matter
        ("different", -0.4, -0.1, INCONCLUSIVE),
    ],
)
def test_intervals_against_the_region(claim, low, high, verdict):
    assert judge_one(interval(low, high, claim=claim), seeds=3) == verdict


def test_a_ratio_is_judged_around_one():
    assert judge_one(interval(1.2, 1.4, null=1.0, region=0.05), 3) == SUPPORTED
    assert judge_one(interval(0.7, 0.9, null=1.0, region=0.05, claim="less"), 3) == SUPPORTED
    assert judge_one(interval(0.97, 1.03, null=1.0, region=0.05), 3) == CONTRADICTED


@pytest.mark.parametrize("claim", ["greater", "less", "equal", "different"])
@pytest.mark.parametrize(
    "estimate",
    [
        Estimate(None),
        Estimate(NAN, 1.0, 3, 1.0, 2.0),
        Estimate(INF, 1.0, 3, 1.0, 2.0),
        Estimate(1.0, 1.0, 3, NAN, NAN),
        Estimate(1.0, 1.0, 3, NAN, 2.0),
        Estimate(1.0, 1.0, 3, 0.9, INF),
        Estimate(1.0, 1.0, 3, -INF, 1.1),
    ],
)
def test_what_is_no_number_is_never_judged(claim, estimate):
    assert judge_one(Comparison("x", estimate, claim, 0.2), 3) == NOT_MEASURED


def test_seeds_are_counted_before_anything_is_judged():
    for n, verdict in ((1, TOO_FEW), (2, TOO_FEW), (3, SUPPORTED), (9, SUPPORTED)):
        assert judge_one(interval(1, 2, n=n), 3) == verdict
    assert judge_one(Comparison("x", Estimate(5.0, None, 3), "greater", 0.2), 3) == TOO_FEW  # no interval
    assert judge_one(interval(1, 2, n=1), 1) == TOO_FEW  # of one model over images, whatever is asked for


@pytest.mark.parametrize(
    ("claim", "low", "high", "published", "found"),
    [
        ("greater", 0.3, 0.7, 4.5, "smaller"),
        ("greater", 0.3, 4.44, 4.5, "smaller"),
        ("greater", 0.3, 4.46, 4.5, "published"),  # rounds to it
        ("greater", 4.54, 6.0, 4.5, "published"),
        ("greater", 4.56, 6.0, 4.5, "larger"),
        ("less", -0.7, -0.3, -4.5, "smaller"),
        ("less", -6.0, -5.0, -4.5, "larger"),
        ("less", -5.0, -4.0, -4.5, "published"),
        ("equal", -0.1, 0.1, 4.5, None),
        ("greater", 0.3, 0.7, None, None),
        ("greater", NAN, 0.7, 4.5, None),
    ],
)
def test_the_size_beside_the_published_one(claim, low, high, published, found):
    assert size(replace(interval(low, high, claim=claim), published=published)) == found


def test_a_ratio_is_rounded_to_its_own_digits():
    slower = replace(interval(0.81, 0.9, null=1.0, claim="less"), published=0.8, rounding=0.005)
    assert size(slower) == "smaller"  # an effect: 0.9 is nearer to 1
    assert size(replace(slower, estimate=interval(0.804, 0.9).estimate)) == "published"


UP, DOWN, WIDE, FEW = interval(1, 2), interval(-2, -1), interval(-1, 1), interval(1, 2, n=1)
MISSING = Comparison("x", Estimate(None), "greater", 0.2)


@pytest.mark.parametrize(
    ("comparisons", "verdict"),
    [
        ([UP, UP], SUPPORTED),
        ([UP, WIDE], INCONCLUSIVE),
        ([UP, WIDE, FEW], TOO_FEW),
        ([UP, WIDE, FEW, MISSING], NOT_MEASURED),
        ([UP, WIDE, FEW, MISSING, DOWN], CONTRADICTED),
        ([MISSING], NOT_MEASURED),
    ],
)
def test_a_chain_needs_every_link(comparisons, verdict):
    assert judge(comparisons, 3)[0] == verdict
    assert judge(comparisons[::-1], 3)[0] == verdict


def test_the_comparison_furthest_against_the_claim_is_named():
    near, far = interval(0.3, 1, name="near"), interval(3, 4, name="far")
    assert judge([far, near], 3)[1].name == "near"
    bad, worse = interval(-2, -1, name="bad"), interval(-5, -4, name="worse")
    assert judge([near, bad, worse], 3)[1].name == "worse"
    tight, loose = interval(-0.1, 0.1, claim="equal", name="tight"), interval(-0.1, 0.2, claim="equal", name="loose")
    assert judge([tight, loose], 3)[1].name == "loose"


def test_counts_are_exact():
    assert judge_count(34_614_307, 34_614_307.0) == SUPPORTED
    assert judge_count(34_614_306, 34_614_307.0) == CONTRADICTED
    assert judge_count(1.07, (1.0, 1.1)) == SUPPORTED
    assert judge_count(1.0, (1.0, 1.1)) == judge_count(1.2, (1.0, 1.1)) == CONTRADICTED
    assert judge_count(None, (1.0, 1.1)) == judge_count(NAN, 1.0) == NOT_MEASURED
