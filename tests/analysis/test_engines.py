"""A table by either engine, side by side."""

import json

import pandas as pd
import pytest

from triplehead.analysis.engines import write_comparison
from triplehead.errors import InputError
from triplehead.plan import engines
from triplehead.plan.plan import load_plan


@pytest.fixture
def plans(monkeypatch):
    monkeypatch.setattr(engines, "importable", lambda: True)
    return {name: load_plan({"scale": "smoke", "seeds": 2, "engine": name}) for name in ("triplehead", "detectron2")}


def test_side_by_side(plans, tmp_path):
    for shift, plan in enumerate(plans.values()):
        for specs in (specs for (exhibit, _), specs in plan.specs.items() if exhibit == "table5"):
            for spec in specs:
                folder = tmp_path / "runs" / spec.id
                folder.mkdir(parents=True)
                scores = {"AP": 30.0 + spec.seed + 4 * shift, "AP50": 50.0, "AP75": 40.0}
                (folder / "scores.json").write_text(json.dumps(scores))
                (folder / "history.csv").write_text(f"iteration,lr,loss\n1,0.1,9.0\n2,0.1,{2 + spec.seed + shift}\n")
    write_comparison(plans, "table5", tmp_path)
    found = pd.read_csv(tmp_path / "table5_engines.csv").set_index(["label", "metric"])
    row = found.loc["All", "AP"]
    assert (row["triplehead_mean"], row["detectron2_mean"], row["difference"]) == (30.5, 34.5, 4.0)
    assert (row["triplehead_loss"], row["detectron2_loss"]) == (2.5, 3.5)
    assert found.loc["All", "AP50"]["difference"] == 0
    assert row["detectron2_run_ids"].split(";") == plans["detectron2"].run_ids("table5", "All")


def test_what_cannot_be_compared_is_one_line(plans, tmp_path):
    with pytest.raises(InputError, match="is no table of scores"):
        write_comparison(plans, "table4", tmp_path)
