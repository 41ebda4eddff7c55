"""Seeds needed: against simulation, textbook values and constructed runs."""

import json

import numpy as np
import pytest
from scipy import stats

from triplehead.analysis import power
from triplehead.analysis.power import claimed_differences, needed, power_of, seeds_needed
from triplehead.analysis.statistics import Estimate
from triplehead.plan.plan import load_plan


@pytest.mark.parametrize(("effect", "seeds"), [(2.0, 5), (1.0, 10), (0.8, 15), (0.5, 34), (0.2, 199)])
def test_seeds_of_a_paired_t_test_are_the_textbooks(effect, seeds):
    """Cohen's tables and G*Power, two-sided 5%, power 80%."""
    assert seeds_needed(effect, 1.0) == seeds_needed(-effect, 1.0) == seeds
    assert seeds_needed(3 * effect, 3.0) == seeds


@pytest.mark.parametrize(("std", "image_se"), [(1.0, 0.0), (1.0, 0.2), (0.5, 0.3)])
def test_so_many_seeds_see_it_as_often_as_said(std, image_se):
    claimed, generator = 1.0, np.random.default_rng(0)
    n = seeds_needed(claimed, std, image_se)
    values = generator.normal(claimed, std, (40_000, n)) + generator.normal(0, image_se, (40_000, 1))
    error = np.hypot(values.std(axis=1, ddof=1) / np.sqrt(n), image_se)
    seed = values.var(axis=1, ddof=1) / n
    freedom = (n - 1) * (error**2 / seed) ** 2
    seen = np.abs(values.mean(axis=1)) > stats.t.ppf(0.975, freedom) * error
    assert 0.78 <= seen.mean() <= 0.93  # seeds are whole numbers: at least 80%
    assert power_of(claimed, std, image_se, n) >= 0.8 > power_of(claimed, std, image_se, n - 1)
    assert seen.mean() == pytest.approx(power_of(claimed, std, image_se, n), abs=0.03)


def test_power_is_a_probability_that_grows_with_seeds():
    for claimed in (0.1, 1, 4.9, 30):
        values = [power_of(claimed, 1.0, 0.1, n) for n in (2, 3, 5, 10, 100, 500, 883, 1000)]
        assert values == sorted(values) and values[0] > 0 and values[-1] <= 1


def test_no_number_of_seeds_helps_against_the_images():
    assert seeds_needed(1.0, 0.1, image_se=0.5) is None
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1.0, 0.0) == 2


def test_claimed_are_the_printed_differences_between_rows_that_run():
    pairs = claimed_differences(load_plan({"scale": "proxy"}))
    found = {(a[0], a[1], b[1]): claimed for a, b, metric, claimed in pairs if metric == "AP"}
    assert found["table5", "JLA", "Baseline"] == pytest.approx(4.5)
    assert found["table6", "Ours", "FCOS"] == pytest.approx(3.7)
    assert ("table1", "K = 25", "K = 30") not in found  # both 37.9
    assert not any("Cas-RetinaNet" in label for _, label, _ in found)
    assert not any(name == "table9" for name, _, _ in found)  # at this scale both of its rows are the same runs
    assert min(found.values()) > 0
    others = {(metric, a[1], b[1]): claimed for a, b, metric, claimed in pairs if metric != "AP"}
    assert others == pytest.approx({
        ("AP75", "JLA", "Baseline"): 5.0, ("APS", "All", "FCOS"): 1.9, ("APM", "All", "FCOS"): 3.8,
        ("AP75", "Ours", "BorderDet"): 0.3, ("AP75", "Ours", "DyHead"): 0.6,
    })  # fmt: skip


def test_noise_is_that_of_the_paired_runs_and_what_is_not_there_is_not_measured(tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 3})
    for label, values in (("JLA", [30.0, 40.0, 50.0]), ("Baseline", [28.0, 39.0, 48.5]), ("All", [1.0])):
        for spec, value in zip(plan.specs["table5", label], values, strict=False):
            folder = tmp_path / "runs" / spec.id
            folder.mkdir(parents=True)
            (folder / "scores.json").write_text(json.dumps(dict.fromkeys(("AP", "AP75", "APS", "APM"), value)))
    found = {
        (each.a[1], each.b[1]): each
        for each in needed(plan, tmp_path, claimed_differences(plan))
        if each.metric == "AP"
    }
    pair = found["JLA", "Baseline"]
    assert pair.measured.std == pytest.approx(np.std([2, 1, 1.5], ddof=1))
    assert pair.seeds == seeds_needed(4.5, 0.5) and not pair.hopeless
    assert (
        found["All", "JLA"].seeds is None and found["All", "JLA"].measured.n == 1 and not found["All", "JLA"].hopeless
    )
    assert found["All", "FCOS"].measured.value is None


def test_noise_is_at_least_what_the_resamples_allow(monkeypatch):
    close = Estimate(1.0, std=0.06, n=3, low=0.0, high=2.0, seed_se=0.2, image_se=0.0)
    monkeypatch.setattr(power, "difference", lambda *_: close)
    (found,) = needed(None, None, [(("table5", "All"), ("table5", "FCOS"), "AP", 0.5)])
    assert found.std == pytest.approx(0.2 * np.sqrt(3)) and found.seeds == seeds_needed(0.5, found.std) > 3
