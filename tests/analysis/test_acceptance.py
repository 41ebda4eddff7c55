"""Bands: each verdict on constructed cells, and that nothing passes which was not measured."""

import json
import math

import pytest

from triplehead.analysis.acceptance import judged, status
from triplehead.analysis.statistics import Estimate
from triplehead.analysis.statistics.samples import Sample
from triplehead.analysis.tables import read_csv, table_frame, write_csv
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Band, Exhibit

SCORES = Exhibit(kind="scores", title="t", metrics=("AP",), rows=({"label": "a"},))
TESTDEV = SCORES.model_copy(update={"split": "test-dev"})
VAL = Sample({}, split="val")


@pytest.mark.parametrize(
    ("value", "n", "expected"),
    [
        (40.3, 3, "within"),
        (40.7, 3, "within"),  # the edge belongs to it, although 40.3 + 0.4 < 40.7 in floating point
        (39.9, 5, "within"),
        (40.71, 3, "outside"),
        (39.8, 3, "outside"),
        (40.3, 2, "too few seeds"),
        (99.0, 2, "too few seeds"),
        (None, 0, "missing"),
        (math.nan, 3, "missing"),
        (math.inf, 3, "missing"),
    ],
)
def test_a_verdict_is_about_the_mean_and_enough_seeds(value, n, expected):
    assert status(Band(tolerance=0.4), 40.3, Estimate(value, n=n), VAL, SCORES) == expected


def test_scores_of_another_split_are_not_what_the_band_is_about():
    found = Estimate(40.3, n=3)
    assert status(Band(tolerance=0.4), 40.3, found, VAL, TESTDEV) == "missing"
    assert status(Band(tolerance=0.4), 40.3, found, Sample({}, split="test-dev"), TESTDEV) == "within"
    own = Band(value=41.0, tolerance=1, split="val")
    assert status(own, 41.0, found, VAL, TESTDEV) == "within"
    assert status(own, 41.0, found, Sample({}, split="test-dev"), TESTDEV) == "missing"


def test_a_count_needs_no_seeds():
    count = Estimate(5, n=1)
    table = Exhibit(kind="parameters", title="t", metrics=("parameters",), rows=({"label": "a"},))
    assert status(Band(tolerance=0), 5, count, Sample({0: 5}, unit=None), table) == "within"
    assert status(Band(tolerance=0), 6, count, Sample({0: 5}, unit=None), table) == "outside"


@pytest.fixture
def banded(experiments):
    """Table 5 with bands: All at two scales, JLA at one."""
    file = experiments / "table5.yaml"
    text = file.read_text()
    text = text.replace(
        "published: {AP: 40.3, AP50: 57.8, AP75: 43.3}",
        "published: {AP: 40.3, AP50: 57.8, AP75: 43.3}\n"
        "    accept: {paper: {AP: {tolerance: 0.4}}, smoke: {AP: {value: 31.0, tolerance: 0.5}}}",
    )
    file.write_text(
        text.replace(
            "published: {AP: 38.0, AP50: 58.2, AP75: 40.5}",
            "published: {AP: 38.0, AP50: 58.2, AP75: 40.5}\n"
            "    accept: {smoke: {AP50: {value: 50, tolerance: 2, seeds: 4}}}",
        )
    )
    return experiments


def write(plan, runs, change=None):
    for spec in (plan.runs[run].spec for run in plan.run_ids("table5")):
        (runs / spec.id).mkdir(parents=True, exist_ok=True)
        scores = {"AP": 30.0 + spec.seed, "AP50": 50.0, "AP75": 40.0} | (change or {})
        (runs / spec.id / "scores.json").write_text(json.dumps(scores))


def verdicts(plan, results):
    return {(each.label, each.metric): each.status for each in judged(plan, results, ("table5",))}


def test_only_the_bands_of_the_scale_at_hand_are_judged(banded, tmp_path):
    """40.3 is COCO's: 31 at a scale of digit scenes is held against the group's own 31."""
    plan = load_plan({"scale": "smoke", "seeds": 3}, banded)
    write(plan, tmp_path / "runs")
    assert verdicts(plan, tmp_path) == {("JLA", "AP50"): "too few seeds", ("All", "AP"): "within"}
    write(plan, tmp_path / "runs", {"AP": 40.3})
    assert verdicts(plan, tmp_path)["All", "AP"] == "outside"
    for other in ({"scale": "proxy"}, {"scale": "smoke", "batch_size": 2}):
        assert list(judged(load_plan(other, banded), tmp_path, ("table5",))) == []


def test_what_is_not_measured_is_missing(banded, tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 3}, banded)
    assert set(verdicts(plan, tmp_path).values()) == {"missing"}
    write(plan, tmp_path / "runs", {"AP": None})
    assert verdicts(plan, tmp_path)["All", "AP"] == "missing"
    write(plan, tmp_path / "runs", {"AP": math.nan})
    with pytest.raises(InputError, match=r"AP: expected a number of 0\.\.100 or null, found nan"):
        verdicts(plan, tmp_path)


def test_the_table_shows_band_and_verdict(banded, tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 3}, banded)
    write(plan, tmp_path)
    write_csv(table_frame(plan, "table5", tmp_path), tmp_path / "table5.csv")
    frame = read_csv(tmp_path / "table5.csv").set_index(["label", "metric"])
    assert frame.loc[("All", "AP"), ["reference", "tolerance", "status"]].tolist() == [31.0, 0.5, "within"]
    assert frame.loc[("All", "AP50"), "status"] == "" and math.isnan(frame.loc[("All", "AP50"), "tolerance"])


@pytest.mark.parametrize(
    ("band", "problem"),
    [
        ("{proxy: {AP: {tolerance: 1}}}", r"accept\.proxy\.AP\.value: required, since what the paper prints is of"),
        ("{paper: {AP: {tolerance: -1}}}", r"tolerance: input should be greater than or equal to 0, found -1"),
        ("{paper: {AP: {tolerance: .nan}}}", r"tolerance: "),
        ("{paper: {APL: {tolerance: 1}}}", r"accept\.paper: APL is not among metrics"),
        ("{papers: {AP: {value: 1, tolerance: 1}}}", r"accept: no scale 'papers'; allowed: mini, paper"),
        ("{paper: {AP: {tolerance: 1, split: test-dev}}}", r"AP\.split: the table prints val alone"),
        ("{paper: {AP: {tolerance: 1, seds: 4}}}", r"seds: unknown key; did you mean seeds\?"),
    ],
)
def test_a_band_that_cannot_be_held_is_one_line(experiments, band, problem):
    file = experiments / "table5.yaml"
    text = file.read_text()
    file.write_text(text.replace("AP75: 43.3}", f"AP75: 43.3}}\n    accept: {band}"))
    with pytest.raises(InputError, match=problem):
        load_plan({}, experiments)
