"""A table by either engine, side by side."""

import json

import numpy as np
import pandas as pd
import pytest

from triplehead.analysis.engines import COLUMNS, side_by_side, write_comparison
from triplehead.errors import InputError
from triplehead.plan import engines
from triplehead.plan.plan import load_plan

ASKED = {"scale": "smoke", "seeds": 2}


def scored(results, spec, ap, ap50=50.0):
    folder = results / "runs" / spec.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scores.json").write_text(json.dumps({"AP": ap, "AP50": ap50, "AP75": 40.0}))
    (folder / "history.csv").write_text(f"iteration,lr,loss\n1,0.1,9.0\n2,0.1,{ap / 10}\n")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """(plan, results): Table 5 by both engines; detectron2's runs are 4 points better, and one more at seed 1."""
    plan, results = load_plan(ASKED), tmp_path_factory.mktemp("study")
    for specs in (specs for (exhibit, _), specs in plan.specs.items() if exhibit == "table5"):
        for spec in specs:
            scored(results, spec, 30.0 + spec.seed)
            scored(results, spec.with_engine("detectron2"), 34.0 + 2 * spec.seed, 49.999999)
    return plan, results


def test_runs_of_the_other_engine_are_those_of_a_plan_for_it(monkeypatch):
    monkeypatch.setattr(engines, "importable", lambda: True)
    own, theirs = load_plan(ASKED), load_plan(ASKED | {"engine": "detectron2"})
    for key in (("table5", "All"), ("table1", own.exhibits["table1"].rows[0].label)):
        assert [spec.with_engine("detectron2").id for spec in own.specs[key]] == [spec.id for spec in theirs.specs[key]]
        assert [spec.with_engine("triplehead").id for spec in theirs.specs[key]] == [spec.id for spec in own.specs[key]]


def test_file_of_a_table(study):
    plan, results = study
    write_comparison(plan, "table5", results)
    found = pd.read_csv(results / "table5_engines.csv")
    assert tuple(found.columns) == COLUMNS and "-0.0000" not in (results / "table5_engines.csv").read_text()
    found = found.set_index(["label", "metric"])
    row = found.loc["All", "AP"]
    assert (row["triplehead_mean"], row["detectron2_mean"], row["difference"]) == (30.5, 35.0, 4.5)
    half = 12.7062 * np.std([4, 5], ddof=1) / 2**0.5  # Student's t of the paired differences, one degree of freedom
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((4.5 - half, 4.5 + half), abs=1e-3)
    assert (row["triplehead_loss"], row["detectron2_loss"]) == pytest.approx((3.05, 3.5))
    assert found.loc["All", "AP50"]["difference"] == 0 and list(found["row"].unique()) == list(range(7))
    ids = [spec.with_engine("detectron2").id for spec in plan.specs["table5", "All"]]
    assert row["detectron2_run_ids"].split(";") == ids


def test_what_cannot_be_compared_is_one_line(study, tmp_path):
    plan, results = study
    for exhibit in ("table4", "table99"):
        with pytest.raises(InputError, match=f"{exhibit}: is no table of scores"):
            write_comparison(plan, exhibit, results)
    with pytest.raises(InputError, match="table6: has rows that detectron2 does not train"):
        write_comparison(plan, "table6", results)
    with pytest.raises(InputError, match="no such file: the run has not been evaluated"):
        write_comparison(plan, "table5", tmp_path)


def test_set_ups_that_both_scored(study, tmp_path):
    plan, results = study
    found = side_by_side(plan, results, "AP")
    assert sum(("table5", row.label) in each.used for row in plan.exhibits["table5"].rows for each in found) == 7
    everything = next(each for each in found if ("table5", "All") in each.used)
    assert (everything.scores["triplehead"].value, everything.scores["detectron2"].value) == (30.5, 35.0)
    assert everything.difference.value == 4.5 and everything.difference.n == 2
    assert side_by_side(plan, tmp_path, "AP") == []


def test_seeds_that_one_engine_has_alone_are_left_out(study, tmp_path):
    plan, _ = study
    first, second = plan.specs["table5", "All"]
    for spec in (first, second, first.with_engine("detectron2")):
        scored(tmp_path, spec, 20.0 + 10 * spec.seed)
    (found,) = side_by_side(plan, tmp_path, "AP")
    assert found.difference.value == 0 and found.difference.n == found.scores["triplehead"].n == 1
    (tmp_path / "runs" / second.id / "scores.json").unlink()
    scored(tmp_path, plan.specs["table5", "JLA"][0].with_engine("detectron2"), 9.0)  # by that engine alone
    assert len(side_by_side(plan, tmp_path, "AP")) == 1


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_either_engine_may_be_the_studys(study, engine, monkeypatch):
    monkeypatch.setattr(engines, "importable", lambda: True)
    found = side_by_side(load_plan(ASKED | {"engine": engine}), study[1], "AP")
    assert {each.difference.value for each in found} == {4.5}
