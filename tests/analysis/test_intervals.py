"""Intervals on paper: within what a score can be, none without width, no -0.0, one seed explained."""

import json

import numpy as np
import pytest

from triplehead.analysis.captions import definitions, interval_sentences
from triplehead.analysis.intervals import bars, shown
from triplehead.analysis.layout import table_layout
from triplehead.analysis.printing import number
from triplehead.analysis.tables import table_frame, write_csv
from triplehead.plan.plan import load_plan


@pytest.mark.parametrize(
    ("low", "high", "metric", "expected"),
    [
        (-1.5, 2.5, "AP", (0, 2.5)),
        (97.0, 101.0, "AP50", (97, 100)),
        (97.0, 101.0, "FPS", (97, 101)),
        (-0.1, 0.3, "FPS_ratio", (0, 0.3)),
        (30.0, 30.0, "AP", None),
        (None, None, "AP", None),
        (float("nan"), float("nan"), "AP", None),
    ],
)
def test_what_is_shown(low, high, metric, expected):
    assert shown(low, high, metric) == expected


def test_no_negative_nought():
    assert [number(value) for value in (-0.04, -0.06, 0.0, -0.0)] == ["0.0", "-0.1", "0.0", "0.0"]


@pytest.fixture
def measured(tmp_path):
    """(plan, Table 5): the first row near 0, the second the same in all seeds, the third of one seed, others usual."""
    plan = load_plan({"scale": "proxy"})
    given = [[0.0, 0.1, 1.0], [30.0, 30.0, 30.0], [25.0, None, None]]
    for index, row in enumerate(plan.exhibits["table5"].rows):
        values = given[index] if index < len(given) else [30.0, 31.0, 32.0]
        for spec, value in zip(plan.specs["table5", row.label], values, strict=True):
            folder = tmp_path / "runs" / spec.id
            folder.mkdir(parents=True)
            (folder / "scores.json").write_text(json.dumps(dict.fromkeys(("AP", "AP50", "AP75"), value)))
    return plan, table_frame(plan, "table5", tmp_path / "runs")


def test_a_table_cuts_leaves_out_and_says_so(measured, tmp_path):
    plan, frame = measured
    layout = table_layout(plan, "table5", frame)
    near, same, single, usual = (line.cells[0].below for line in layout.lines[:4])
    assert near.startswith("[0.0, 1.") and (same, single) == ("", "") and usual.startswith("[28.5, 33.5]")
    text = " ".join(definitions(plan, "table5", frame))
    assert "No interval where the score is the same each time" in text and "Intervals are cut at 0 and 100." in text
    assert f"Of rows with one seed ({layout.lines[2].label}) there is none." in text
    first = frame[frame["metric"] == "AP"].iloc[0]
    assert first["low"] < 0  # the file has it as computed
    lengths = bars(frame[frame["metric"] == "AP"])
    assert lengths[0, 0] == pytest.approx(first["mean"]) and not lengths[:, 1:3].any()
    assert lengths[:, 3] == pytest.approx(4.30265 / 3**0.5, rel=1e-4)
    frame.loc[0, "low"] = -0.00001
    write_csv(frame, tmp_path / "table5.csv")
    assert "-0.0000" not in (tmp_path / "table5.csv").read_text()


def test_one_seed_is_explained(measured):
    _, frame = measured
    single = frame[frame["n"] == 1].copy()
    assert interval_sentences(single) == ["One seed on given images: no interval."]
    single[["image_se", "low", "high"]] = 1.0, 23.0, 27.0
    assert interval_sentences(single) == [
        "In brackets: this one model's 95% interval over other validation images; other seeds are not in it."
    ]
    assert interval_sentences(frame.assign(n=0, low=np.nan, high=np.nan, seed_se=np.nan)) == []
