"""Quantities of claims, from files whose numbers are known."""

import gzip
import json

import pytest

from triplehead.analysis.claims.measure import comparisons
from triplehead.analysis.claims.verdict import CONTRADICTED, judge_one
from triplehead.plan.plan import load_plan


def test_assignments_that_get_worse_fall(tmp_path):
    """From IoU 0.9 to 0.6, a little more in each seed; the baseline's stay as they are."""
    plan = load_plan({"scale": "proxy", "seeds": 3})
    (claim,) = (each for each in plan.claims.claims if getattr(each.quantity, "series", None) == "positive_iou")
    for place, last in ((claim.quantity.of, 60), (claim.quantity.minus, 90)):
        for spec in plan.specs[place]:
            folder = tmp_path / "runs" / spec.id
            folder.mkdir(parents=True)
            (folder / "history.csv").write_text("iteration,lr,loss\n1,0.01,1.0\n")
            taken = [snapshot(90), snapshot(last - spec.seed if last < 90 else last)]
            (folder / "assignments.json.gz").write_bytes(gzip.compress(json.dumps(taken).encode()))
    (found,) = comparisons(plan, tmp_path, claim)
    assert (found.estimate.value, found.estimate.n) == (pytest.approx(-31), 3)
    assert judge_one(found, 3) == CONTRADICTED


def snapshot(side):
    """Two positives of one box, one on it and one of `side` percent of its height."""
    positives = [[5, 5, 0, 0, 0, 100, 100], [9, 9, 0, 0, 0, 100, 2 * side - 100]]
    return {
        "iteration": 1,
        "images": [{"boxes": [[0, 0, 100, 100]], "positives": positives}, {"boxes": [], "positives": []}],
    }
