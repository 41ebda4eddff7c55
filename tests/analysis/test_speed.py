import json
import math
import statistics

import pytest
from tests.helpers import write_speed_record

from triplehead.analysis.latex import table_tex
from triplehead.analysis.layout import table_layout
from triplehead.analysis.speed import caption_sentences
from triplehead.analysis.tables import read_csv, table_frame, write_csv
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

FULL = {
    "FCOS": [0.1, 0.2, 0.1, 0.2, 0.1],
    "Faster R-CNN": [0.2, 0.4, 0.2, 0.4, 0.2],
    "Ours": [0.125, 0.2, 0.1, 0.25, 0.1],
}


@pytest.fixture
def plan():
    return load_plan({"scale": "smoke"})


def cells(frame, label):
    return frame[frame["label"] == label].set_index("metric")


def test_frames_per_second_and_ratios_paired_by_repeat(plan, tmp_path):
    write_speed_record(plan, "table3", tmp_path, FULL)
    frame = table_frame(plan, "table3", tmp_path / "runs")
    fcos, faster, ours = (cells(frame, label) for label in FULL)
    assert fcos.loc["FPS", "mean"] == pytest.approx((10 + 5 + 10 + 5 + 10) / 5)
    assert fcos.loc["FPS", "std"] == pytest.approx(statistics.stdev([10, 5, 10, 5, 10]))
    assert fcos.loc["FPS_model", "mean"] == pytest.approx(2 * 8)  # the record's model takes half the time
    assert (fcos.loc["FPS_ratio", "mean"], fcos.loc["FPS_ratio", "std"]) == (1.0, 0.0)
    # FPS swings by half, the ratio of the same repeat does not
    assert faster.loc["FPS_ratio", "mean"] == pytest.approx(0.5) and faster.loc["FPS_ratio", "std"] == pytest.approx(0)
    assert ours.loc["FPS_ratio", "mean"] == pytest.approx((0.8 + 1 + 1 + 0.8 + 1) / 5)
    assert set(frame["n"]) == {5}
    assert fcos.loc["FPS", "published"] == 12.6 and math.isnan(fcos.loc["FPS", "difference"])
    assert math.isnan(fcos.loc["FPS_model", "published"])
    assert ours.loc["FPS_ratio", "published"] == pytest.approx(10.1 / 12.6)
    assert math.isnan(ours.loc["FPS_ratio", "difference"])  # of another scale than the paper's
    assert frame["conditions"].str.contains("2 threads; float32; batch 1; 96 × 128 to 128 × 128 pixels").all()
    assert [cells(frame, label).loc["FPS", "run_ids"] for label in FULL] == plan.run_ids("table3")


def test_a_busy_machine_is_named_below_the_table(plan, tmp_path):
    def notes(full):
        write_speed_record(plan, "table3", tmp_path, full)
        layout = table_layout(plan, "table3", table_frame(plan, "table3", tmp_path / "runs"))
        return [text for _, text in layout.notes if "busy" in text]

    (note,) = notes(FULL | {"Ours": [0.1, 0.1, 0.1, 0.1, 0.11]})
    assert "up to 34 % of their mean (FCOS; Faster R-CNN)" in note and "not to be used" in note
    assert notes({label: [0.1, 0.11, 0.1, 0.11, 0.1] for label in FULL}) == []


def test_the_csv_is_read_back_as_it_was(plan, tmp_path):
    write_speed_record(plan, "table3", tmp_path, FULL)
    write_csv(table_frame(plan, "table3", tmp_path / "runs"), tmp_path / "table3.csv")
    run = plan.run_ids("table3", "Ours")[0]
    last = (tmp_path / "table3.csv").read_text().splitlines()[-1]
    assert last == (
        f"table3,2,Ours,FPS_ratio,0.9200,0.1095,5,0.7840,1.0560,0.0490,,0.8016,,,,,smoke,val,{run},"
        "A made-up processor; 2 threads; float32; batch 1; 96 × 128 to 128 × 128 pixels,"
    )
    write_csv(read_csv(tmp_path / "table3.csv"), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "table3.csv").read_bytes()


def test_the_printed_table_says_how_it_was_measured(plan, tmp_path):
    write_speed_record(plan, "table3", tmp_path, FULL)
    frame, how = table_frame(plan, "table3", tmp_path / "runs"), caption_sentences(plan, "table3", tmp_path)
    layout = table_layout(plan, "table3", frame, how)
    caption = " ".join(layout.caption)
    for wanted in ("A made-up processor", "2 threads", "float32", "torch 9.9", "batch 1", "4 validation images of "
                   "96 × 128 to 128 × 128 pixels", "after 3 uncounted", "over 5 repeats", "smoke scale"):  # fmt: skip
        assert wanted in caption, caption
    assert "seed" not in caption
    notes = " ".join(text for _, text in layout.notes)
    assert "1.00 (FCOS), 0.51 (Faster R-CNN), 0.80 (Ours)" in notes and "GTX 1080 Ti" in notes
    tex = table_tex(plan, "table3", frame, how)
    assert "FPS & paper & 12.6 & 6.4 & 10.1" in tex and "FPS ratio to FCOS" in tex and r"0.92 $\pm$ 0.11" in tex
    assert tex.isascii()


def spoil(record, path):
    record["rows"][1]["full"].pop()
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda record, path: path.unlink(), "no such file: speed has not been measured"),
        (lambda record, path: path.write_text('{"rows": ['), "not|expected"),
        (lambda record, path: path.write_text("[]"), "expected a mapping"),
        (spoil, r"rows\.1: expected 5 repeats"),
        (lambda record, path: path.write_text(json.dumps(record | {"device": 5})), "device: input should be a valid string"),
        (lambda record, path: path.write_text(json.dumps(record | {"rows": []})), "holds other rows or runs than scale smoke"),
        (lambda record, path: path.write_text(json.dumps(record).replace("[{\"mean\": 0.125", "[{\"mean\": -1")), r"rows\.2\.full\.0\.mean: input should be greater"),
        (lambda record, path: path.write_text(json.dumps(record).replace(record["rows"][0]["run"], "other")), "holds other rows or runs"),
    ],
)  # fmt: skip
def test_a_missing_or_broken_record_is_one_line(plan, tmp_path, spoil, problem):
    path = write_speed_record(plan, "table3", tmp_path, FULL)
    spoil(json.loads(path.read_text()), path)
    with pytest.raises(InputError, match=problem) as caught:
        table_frame(plan, "table3", tmp_path / "runs")
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
