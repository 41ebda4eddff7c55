import hashlib
import json
import math
import statistics
from dataclasses import replace

import pytest

from triplehead.analysis.captions import caption
from triplehead.analysis.layout import table_layout
from triplehead.analysis.statistics.estimate import mean_and_std
from triplehead.analysis.tables import COLUMNS, read_csv, read_table, table_frame, write_csv
from triplehead.errors import InputError
from triplehead.plan.plan import COUNTED_AT, load_plan


@pytest.fixture
def plan():
    return load_plan({"scale": "smoke", "seeds": 3})


def write_scores(plan, runs, change=None):
    """Run i of a row has AP 30 + i, AP50 50 + 2 i, AP75 40."""
    for (exhibit, _), specs in plan.specs.items():
        for seed, spec in enumerate(specs if exhibit == "table5" else ()):
            scores = {"AP": 30.0 + seed, "AP50": 50.0 + 2 * seed, "AP75": 40.0} | (change or {})
            (runs / spec.id).mkdir(parents=True, exist_ok=True)
            (runs / spec.id / "scores.json").write_text(json.dumps(scores))


def cell(frame, label, metric):
    return frame[(frame["label"] == label) & (frame["metric"] == metric)].iloc[0]


def test_mean_sample_std_and_count(plan, tmp_path):
    write_scores(plan, tmp_path)
    frame = table_frame(plan, "table5", tmp_path)
    assert tuple(frame.columns) == COLUMNS
    found = cell(frame, "Baseline", "AP50")
    assert (found["mean"], found["std"], found["n"]) == (52.0, 2.0, 3)
    assert found["std"] == statistics.stdev([50, 52, 54])  # n - 1
    assert found["scale"] == "smoke"
    assert found["run_ids"].split(";") == plan.run_ids("table5", "Baseline")
    assert found["published"] == 52.8 and math.isnan(cell(frame, "FCOS", "AP50")["published"])


@pytest.mark.parametrize(
    ("config", "known"),
    [({"scale": "paper"}, True), ({"scale": "paper", "iterations": 10}, False), ({"scale": "proxy"}, False)],
)
def test_differences_from_the_paper_are_of_like_with_like(tmp_path, config, known):
    """Neither small data nor a trial has one; what the paper does not print has none at any scale."""
    plan = load_plan(config | {"seeds": 3, "data_root": "."})
    write_scores(plan, tmp_path)
    frame = table_frame(plan, "table5", tmp_path)
    found = cell(frame, "Baseline", "AP50")
    assert found["difference"] == pytest.approx(52.0 - 52.8) if known else math.isnan(found["difference"])
    assert math.isnan(cell(frame, "FCOS", "AP50")["difference"])


def test_a_trials_numbers_say_so(tmp_path):
    """Whoever meets the CSV alone takes no number of five iterations for one of the paper's schedule."""
    trial = {"iterations": 5, "batch_size": 1, "short_side": 64, "weights": "none", "data_complete": False}
    for config, said in (
        ({}, ""),
        (trial, "iterations=5, batch_size=1, short_side=64, weights=none, data_complete=false"),
    ):
        plan = load_plan({"scale": "paper", "accelerator": "cpu"} | config)
        write_scores(plan, tmp_path)
        frame = table_frame(plan, "table5", tmp_path)
        assert set(frame["conditions"]) == {said}
        assert plan.measured_at in " ".join(caption(plan, "table5", frame))
        assert frame["difference"].isna().all() == bool(said)
        write_scores(plan, tmp_path, {"AP": None, "diverged": {"iteration": 3}})
        assert set(table_frame(plan, "table5", tmp_path)["conditions"]) == {said}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("data", r"train split than .*manifest\.json"),
        ("data_val", r"val split than .*manifest\.json"),
        ("backbone", r"backbone than .*\.pt"),
    ],
)
def test_a_run_of_other_data_or_another_backbone_is_refused(plan, tmp_path, key, said):
    """Its folder's name tells nothing of the user's images and weights."""
    runs, spec = tmp_path / "runs", plan.specs["table5", "JLA"][1]
    write_scores(plan, runs)
    manifest = tmp_path / "data" / spec.data_id / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"splits": {"train": {"digest": "a"}, "val": {"digest": "b"}}}))
    backbone = tmp_path / "pretrained" / f"{spec.pretrained_id}.pt"
    listed = tmp_path / "digests" / "pretrain" / f"{spec.pretrained_id}.json"
    listed.parent.mkdir(parents=True)
    listed.write_text(json.dumps({str(backbone.relative_to(tmp_path.parent)): "c"}))
    environment, whole = runs / spec.id / "environment.json", {"data": "a", "data_val": "b", "backbone": "c"}
    for known in ({}, {"data": "a"}, whole):  # older runs tell less
        environment.write_text(json.dumps(known))
        assert cell(table_frame(plan, "table5", runs), "JLA", "AP")["n"] == 3
    environment.write_text(json.dumps(whole | {key: "other"}))
    with pytest.raises(InputError, match=rf"{spec.id}: is of another {said} is of now; put that back"):
        table_frame(plan, "table5", runs)


def test_one_seed_has_no_std(tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 1})
    write_scores(plan, tmp_path)
    found = cell(table_frame(plan, "table5", tmp_path), "All", "AP")
    assert found["mean"] == 30.0 and found["n"] == 1 and math.isnan(found["std"])


def test_null_counts_as_not_measured(plan, tmp_path):
    write_scores(plan, tmp_path, {"AP75": None})
    found = cell(table_frame(plan, "table5", tmp_path), "All", "AP75")
    assert found["n"] == 0 and math.isnan(found["mean"]) and math.isnan(found["difference"])
    path = tmp_path / plan.run_ids("table5", "All")[0] / "scores.json"
    path.write_text(json.dumps({"AP": 1.0, "AP50": 2.0, "AP75": 7.0}))
    found = cell(table_frame(plan, "table5", tmp_path), "All", "AP75")
    assert found["n"] == 1 and found["mean"] == 7.0 and math.isnan(found["std"])


def test_missing_scores_are_named(plan, tmp_path):
    write_scores(plan, tmp_path)
    run = plan.run_ids("table5", "JLA")[1]
    (tmp_path / run / "scores.json").unlink()
    with pytest.raises(InputError, match=rf"{run}/scores\.json: no such file"):
        table_frame(plan, "table5", tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "expected a mapping"),
        ('{"AP": 1, "AP50": 2}', "AP75: missing"),
        ('{"AP": NaN, "AP50": 2, "AP75": 3}', "AP: expected a number of 0..100 or null, found nan"),
        ('{"AP": 1e308, "AP50": 2, "AP75": 3}', "AP: expected a number of 0..100 or null, found 1e"),
        (f'{{"AP": 1{"0" * 400}, "AP50": 2, "AP75": 3}}', "AP: expected a number of 0..100 or null, found 1000"),
        ('{"AP": true, "AP50": 2, "AP75": 3}', "AP: expected a number of 0..100 or null, found True"),
        ('{"AP": "1", "AP50": 2, "AP75": 3}', "AP: expected a number of 0..100 or null, found '1'"),
    ],
)
def test_broken_scores_are_named(plan, tmp_path, content, problem):
    write_scores(plan, tmp_path)
    (tmp_path / plan.run_ids("table5", "All")[0] / "scores.json").write_text(content)
    with pytest.raises(InputError, match=problem):
        table_frame(plan, "table5", tmp_path)


def write_table_9(plan, runs, change=None):
    scores = {"AP": 30.0, "AP50": 50.0, "AP75": 40.0, "APS": 10.0, "APM": 20.0, "APL": None}
    for run in plan.run_ids("table9"):
        (runs / run).mkdir(parents=True, exist_ok=True)
        (runs / run / "scores.json").write_text(json.dumps(scores | (change or {})))


def test_cited_rows_are_not_measured(plan, tmp_path):
    write_table_9(plan, tmp_path)
    found = cell(table_frame(plan, "table9", tmp_path), "ATSS, ResNet101", "AP")
    assert found["published"] == 43.6 and found["n"] == 0 and math.isnan(found["mean"])
    assert (found["scale"], found["split"], found["run_ids"]) == ("", "", "")


def test_the_servers_scores_come_before_those_of_val(tmp_path):
    """Once every seed of a row has them: no cell mixes the two."""
    plan = load_plan({"scale": "mini", "seeds": 2})
    write_table_9(plan, tmp_path)
    first, second = plan.run_ids("table9", "Ours, ResNet50")
    weights = hashlib.sha256(b"weights").hexdigest()
    for run in (first, second):
        (tmp_path / run / "model.pt").write_bytes(b"weights")
    server = {"split": "test-dev2017", "weights": weights} | dict.fromkeys(
        ("AP", "AP50", "AP75", "APS", "APM", "APL"), 41.0
    )
    (tmp_path / first / "testdev.json").write_text(json.dumps(server))
    frame = table_frame(plan, "table9", tmp_path)
    assert set(frame["split"]) == {"", "val"}
    assert cell(frame, "Ours, ResNet50", "AP")["mean"] == 30
    (tmp_path / second / "testdev.json").write_text(json.dumps(server | {"AP": 42.0}))
    frame = table_frame(plan, "table9", tmp_path)
    found = cell(frame, "Ours, ResNet50", "AP")
    assert (found["mean"], found["n"], found["split"]) == (41.5, 2, "test-dev")
    assert cell(frame, "Ours, ResNet101", "AP")["split"] == "val"
    write_scores(plan, tmp_path)
    assert set(table_frame(plan, "table5", tmp_path)["split"]) == {"val"}
    write_csv(frame, tmp_path / "table9.csv")
    assert read_csv(tmp_path / "table9.csv").equals(frame.round(4))
    notes = " ".join(text for _, text in table_layout(plan, "table9", frame).notes)
    assert "Measured on test-dev, by COCO's server: Ours, ResNet50." in notes
    assert "Measured on the validation images, not on test-dev: Ours, ResNet101." in notes
    (tmp_path / second / "model.pt").write_bytes(b"trained again")
    with pytest.raises(InputError, match=r"testdev\.json: is of other weights than model\.pt"):
        table_frame(plan, "table9", tmp_path)
    (tmp_path / second / "model.pt").unlink()
    with pytest.raises(InputError, match=rf"{second}/model\.pt: cannot be read \(No such file"):
        table_frame(plan, "table9", tmp_path)


def test_digit_scenes_have_no_scores_of_test_dev(plan, tmp_path):
    write_table_9(plan, tmp_path)
    server = {"weights": hashlib.sha256(b"weights").hexdigest()} | dict.fromkeys(plan.exhibits["table9"].metrics, 41.0)
    for run in plan.run_ids("table9"):
        (tmp_path / run / "model.pt").write_bytes(b"weights")
        (tmp_path / run / "testdev.json").write_text(json.dumps(server))
    with pytest.raises(InputError, match=r"testdev\.json: the run was not trained on COCO"):
        table_frame(plan, "table9", tmp_path)


def test_table_9_says_what_is_cited_and_what_is_the_same(plan, tmp_path):
    write_table_9(plan, tmp_path)
    layout = table_layout(plan, "table9", table_frame(plan, "table9", tmp_path))
    assert [line.note for line in layout.lines] == ["a"] * 17 + [None] * 2
    notes = [text for letter, text in layout.notes if letter == "a"]
    assert notes == ["Cited by the paper; not run here."]
    assert any("Ours, ResNet50; Ours, ResNet101: the same runs" in text for _, text in layout.notes)
    assert "COCO 2017 test-dev" in " ".join(layout.caption)
    mini = load_plan({"scale": "mini"})
    write_table_9(mini, tmp_path)
    layout = table_layout(mini, "table9", table_frame(mini, "table9", tmp_path))
    assert not any("the same runs" in text for _, text in layout.notes)


def test_another_average_is_read_where_a_table_asks_for_it(plan, tmp_path):
    exhibit = plan.exhibits["table5"].model_copy(update={"protocol": "voc", "average": "11point"})
    plan = replace(plan, exhibits=plan.exhibits | {"table5": exhibit})
    write_scores(plan, tmp_path, {"AP_11point": 7.0, "AP50_11point": 8.0, "AP75_11point": 9.0})
    frame = table_frame(plan, "table5", tmp_path)
    assert [cell(frame, "All", metric)["mean"] for metric in ("AP", "AP50", "AP75")] == [7, 8, 9]
    assert "eleven points" in " ".join(table_layout(plan, "table5", frame).caption)


def test_table_4_is_counted_exactly_and_stays_whole(plan, tmp_path):
    frame = table_frame(plan, "table4", tmp_path)
    # FCOS 27,323,584 in ResNet-50 + FPN, the rest in the head; Faster R-CNN with 81 x 4 box outputs.
    assert frame["mean"].tolist() == [32_244_250, 41_704_036, 34_614_307]
    assert frame["difference"].tolist() == [0, 0, 0]
    assert set(frame["scale"]) == {COUNTED_AT}
    write_csv(frame, tmp_path / "table4.csv")
    line = (tmp_path / "table4.csv").read_text().splitlines()[1]
    assert line == "table4,0,FCOS,parameters,32244250,,1,,,,,32244250,0,32244250,0.0000,within,paper architecture,,,,"
    assert read_csv(tmp_path / "table4.csv").equals(frame)


def test_csv_has_four_decimals_and_nothing_for_no_number(plan, tmp_path):
    write_scores(plan, tmp_path)
    frame = table_frame(plan, "table5", tmp_path)
    write_csv(frame, tmp_path / "table5.csv")
    lines = (tmp_path / "table5.csv").read_text().splitlines()
    ids = ";".join(plan.run_ids("table5", "FCOS"))
    assert lines[1] == f"table5,0,FCOS,AP,31.0000,1.0000,3,28.5159,33.4841,0.5774,,37.0000,,,,,smoke,val,{ids},,"
    assert lines[2] == f"table5,0,FCOS,AP50,52.0000,2.0000,3,47.0317,56.9683,1.1547,,,,,,,smoke,val,{ids},,"
    again = read_csv(tmp_path / "table5.csv")
    assert again.dtypes.equals(frame.dtypes)
    write_csv(again, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "table5.csv").read_bytes()


def test_reading_what_is_no_table(tmp_path):
    path = tmp_path / "table1.csv"
    with pytest.raises(InputError, match="no such table"):
        read_csv(path)
    for content in ("", "a,b\n1,2\n", ",".join(COLUMNS) + "\nt,0,l,AP,high,,1,,,,,,,,,,s,r,,\n"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"table1\.csv: "):
            read_csv(path)


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        (-1, "is cut short"),
        (-30, "is cut short"),  # within the last cell, where every column but text is there
        (0.5, "is cut short"),
        ("line", r"holds 20 cells, expected the 21 of experiments/table5\.yaml"),
        ("row", "holds 18 cells, expected the 21"),
        ("label", "holds 21 cells, expected the 21"),
        (0, "is no table"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(plan, tmp_path, kept, problem):
    write_scores(plan, tmp_path)
    write_csv(table_frame(plan, "table5", tmp_path), tmp_path / "table5.csv")
    text = (tmp_path / "table5.csv").read_text()
    assert len(read_table(plan, "table5", tmp_path)) == 21
    lines = text.splitlines(keepends=True)
    cut = {"line": lines[:-1], "row": lines[:-3], "label": [line.replace("Baseline", "baseline") for line in lines]}
    end = int(len(text) * kept) if kept == 0.5 else kept
    (tmp_path / "table5.csv").write_text("".join(cut[kept]) if kept in cut else text[:end])
    with pytest.raises(InputError, match=rf"table5\.csv: {problem}") as caught:
        read_table(plan, "table5", tmp_path)
    assert "\n" not in str(caught.value)


def test_unknown_exhibit(plan, tmp_path):
    with pytest.raises(InputError, match="table77: no such exhibit"):
        table_frame(plan, "table77", tmp_path)


def test_mean_and_std_of_few_values():
    assert mean_and_std([]) == (None, None)
    assert mean_and_std([2.5]) == (2.5, None)
    assert mean_and_std([1.0, 2.0, 4.0]) == (pytest.approx(7 / 3), pytest.approx(statistics.stdev([1, 2, 4])))
