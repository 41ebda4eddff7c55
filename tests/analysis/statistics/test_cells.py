"""Cells, differences and ratios from made-up runs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tests.helpers import write_speed_record

from triplehead.analysis.statistics import cell, cells, difference, ratio, samples
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

BASELINE, JLA, ALL = ("table5", "Baseline"), ("table5", "JLA"), ("table5", "All")


@pytest.fixture
def plan():
    return load_plan({"scale": "smoke", "seeds": 3})


def write(plan, results, row, values):
    for spec, value in zip(plan.specs[row], values, strict=False):
        folder = results / "runs" / spec.id
        folder.mkdir(parents=True, exist_ok=True)
        scores = dict.fromkeys(("AP", "AP50", "AP75", "APS", "APM", "APL"), value)
        (folder / "scores.json").write_text(json.dumps(scores))


def test_a_cell_is_the_mean_over_its_seeds(plan, tmp_path):
    write(plan, tmp_path, JLA, [30.0, 32.0, 31.0])
    found = cell(plan, tmp_path, *JLA, "AP75")
    assert (found.value, found.n, found.std, found.sources) == (31, 3, 1, ("seeds",))


def test_seeds_that_have_not_been_evaluated_are_no_seeds(plan, tmp_path):
    assert cell(plan, tmp_path, *JLA, "AP").n == 0
    write(plan, tmp_path, JLA, [30.0, 32.0])
    found = cell(plan, tmp_path, *JLA, "AP")
    assert (found.value, found.n) == (31, 2)
    write(plan, tmp_path, JLA, [30.0, None, 34.0])
    assert cell(plan, tmp_path, *JLA, "AP").value == 32


def test_of_a_row_with_a_run_that_diverged_no_mean_is_taken(plan, tmp_path):
    """That of the two others would be one of the seeds that went well."""
    write(plan, tmp_path, JLA, [30.0, None, 32.0])
    write(plan, tmp_path, BASELINE, [20.0, 21.0, 22.0])
    sick = tmp_path / "runs" / plan.specs[JLA][1].id / "scores.json"
    sick.write_text(json.dumps(json.loads(sick.read_text()) | {"diverged": {"iteration": 70}}))
    assert cell(plan, tmp_path, *JLA, "AP").n == 0 and difference(plan, tmp_path, JLA, BASELINE, "AP").value is None
    assert samples.sample(plan, tmp_path / "runs", *JLA, "AP").diverged == "seed 1 at iteration 70"


def test_a_difference_is_paired_by_seed(plan, tmp_path):
    """Both rows swing together: the difference hardly does."""
    ours, theirs = [30.0, 40.0, 50.3], [28.0, 38.2, 48.0]
    write(plan, tmp_path, JLA, ours)
    write(plan, tmp_path, BASELINE, theirs)
    found = difference(plan, tmp_path, JLA, BASELINE, "AP")
    low, high = stats.ttest_rel(ours, theirs).confidence_interval()
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.value == pytest.approx(np.mean(np.subtract(ours, theirs))) and found.std < 0.3
    back = difference(plan, tmp_path, BASELINE, JLA, "AP")
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_rows_of_different_splits_are_not_compared(plan, tmp_path, monkeypatch):
    """One has come back from COCO's server, the other not yet."""
    splits = {JLA[1]: "test-dev", BASELINE[1]: "val"}
    values = {0: 30.0, 1: 31.0, 2: 32.0}
    monkeypatch.setattr(
        cells, "sample", lambda plan, runs, exhibit, label, metric: cells.Sample(values, split=splits[label])
    )
    for compare in (difference, ratio):
        assert compare(plan, tmp_path, JLA, BASELINE, "AP").value is None
        assert compare(plan, tmp_path, JLA, JLA, "AP").n == 3


@pytest.mark.parametrize("image_noise", [0.2, 1.0])
def test_a_paired_differences_interval_holds_the_truth_in_95_percent(plan, monkeypatch, image_noise):
    """Studies of two rows with known means. A seed and an image move both rows alike (which pairing takes out), and each
    row in its own way, and so does each seed on each image; images are resampled by bootstrap, the same for both rows."""
    generator = np.random.default_rng(0)
    studies, seeds, images, resamples, gain = 3000, 3, 60, 150, 2.0
    hits = 0
    for _ in range(studies):
        common = generator.normal(0, 3, (seeds, 1)) + generator.normal(0, 3 * math.sqrt(images), images)
        counts = generator.multinomial(images, np.full(images, 1 / images), resamples)
        rows = {}
        for label, mean in ((JLA[1], 40 + gain), (BASELINE[1], 40)):
            own = generator.normal(0, 1, (seeds, 1)) + generator.normal(0, image_noise * math.sqrt(images), images)
            each = mean + common + own + generator.normal(0, 0.4 * math.sqrt(images), (seeds, images))  # [S, N]
            values, replicates = each.mean(axis=1), each @ counts.T / images
            rows[label] = cells.Sample(dict(enumerate(values)), dict(enumerate(replicates)), images)
        monkeypatch.setattr(cells, "sample", lambda plan, runs, exhibit, label, metric, rows=rows: rows[label])
        found = difference(plan, Path(), JLA, BASELINE, "AP")
        hits += found.low <= gain <= found.high
    assert found.sources == ("seeds", "images") and 0.93 <= hits / studies <= 0.97


def test_pairs_of_seeds_that_lie_closer_than_their_resamples_allow(plan, monkeypatch):
    generator = np.random.default_rng(0)
    rows = {
        label: cells.Sample(
            dict.fromkeys(range(3), mean), {seed: generator.normal(mean, 1, 100_000) for seed in range(3)}, 10**6
        )
        for label, mean in ((JLA[1], 40.0), (BASELINE[1], 20.0))
    }
    monkeypatch.setattr(cells, "sample", lambda plan, runs, exhibit, label, metric: rows[label])
    found = difference(plan, Path(), JLA, BASELINE, "AP")
    assert found.std == 0 and found.seed_se == pytest.approx(math.sqrt(2 / 3), rel=0.02)
    found = ratio(plan, Path(), JLA, BASELINE, "AP")
    assert found.std == 0 and found.seed_se == pytest.approx(math.sqrt((1 + 2**2) / 3) / 20, rel=0.02)
    assert found.high - found.value >= 1.95 * found.seed_se


def test_only_common_seeds_are_compared(plan, tmp_path):
    write(plan, tmp_path, JLA, [30.0, 40.0, 90.0])
    write(plan, tmp_path, BASELINE, [28.0, 37.0])
    found = difference(plan, tmp_path, JLA, BASELINE, "AP")
    assert (found.value, found.n) == (2.5, 2)
    assert difference(plan, tmp_path, JLA, ALL, "AP").value is None


def test_a_row_against_itself(plan, tmp_path):
    write(plan, tmp_path, JLA, [30.0, 40.0, 50.0])
    found = difference(plan, tmp_path, JLA, JLA, "AP")
    assert (found.value, found.low, found.high) == (0, 0, 0)
    found = ratio(plan, tmp_path, JLA, JLA, "AP")
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_a_ratio_is_of_the_means_with_paired_noise(plan, tmp_path):
    ours, theirs = np.array([30.0, 33.0, 36.0]), np.array([20.0, 21.0, 23.0])
    write(plan, tmp_path, JLA, ours.tolist())
    write(plan, tmp_path, BASELINE, theirs.tolist())
    found = ratio(plan, tmp_path, JLA, BASELINE, "AP")
    r = ours.mean() / theirs.mean()
    assert found.value == pytest.approx(r)
    assert found.std == pytest.approx(np.std(ours - r * theirs, ddof=1) / theirs.mean())
    write(plan, tmp_path, BASELINE, [0.0, 0.0, 0.0])
    assert ratio(plan, tmp_path, JLA, BASELINE, "AP").value is None


def test_a_count_is_exact(plan, tmp_path):
    found = cell(plan, tmp_path, "table4", "Ours", "parameters")
    assert (found.value, found.std, found.low, found.n, found.sources) == (34_614_307, None, None, 1, ())
    more = difference(plan, tmp_path, ("table4", "Ours"), ("table4", "FCOS"), "parameters")
    assert (more.value, more.low) == (2_370_057, None)


def test_speed_is_paired_by_repeat(plan, tmp_path):
    full = {"FCOS": [0.1, 0.2, 0.1, 0.2, 0.1], "Faster R-CNN": [0.3] * 5, "Ours": [0.2, 0.4, 0.2, 0.4, 0.2]}
    write_speed_record(plan, "table3", tmp_path, full)
    found = cell(plan, tmp_path, "table3", "Ours", "FPS_ratio")
    assert (found.value, found.low, found.high, found.n, found.sources) == (0.5, 0.5, 0.5, 5, ("repeats",))
    found = ratio(plan, tmp_path, ("table3", "Ours"), ("table3", "FCOS"), "FPS")
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_a_cited_row_is_not_measured(plan, tmp_path):
    assert cell(plan, tmp_path, "table9", "ATSS, ResNet101", "APS").value is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("table77", "JLA", "AP"), "table77: no such exhibit"),
        (("table5", "nobody", "AP"), "table5: no row 'nobody'"),
        (("table5", "JLA", "mAP"), "table5: no metric 'mAP'; known: AP, AP50"),
        (("table4", "Ours", "AP"), "table4: no metric 'AP'; known: parameters"),
    ],
)
def test_what_is_not_there_is_named(plan, tmp_path, arguments, problem):
    with pytest.raises(InputError, match=problem):
        cell(plan, tmp_path, *arguments)


def test_a_score_that_is_no_number_is_an_error_and_no_seed(plan, tmp_path):
    write(plan, tmp_path, JLA, [30.0, float("nan"), 32.0])
    with pytest.raises(InputError, match=r"AP: expected a number of 0\.\.100 or null, found nan"):
        cell(plan, tmp_path, *JLA, "AP")
