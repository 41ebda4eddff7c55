"""The ledger on made-up results with known truth."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from tests.helpers import write_speed_record

from triplehead.analysis.claims.inputs import inputs
from triplehead.analysis.claims.ledger import ledger, read_csv, write_csv
from triplehead.analysis.claims.numbers import published
from triplehead.analysis.claims.reasons import not_measurable
from triplehead.analysis.claims.sentences import shortened
from triplehead.analysis.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_MEASURED,
    SUPPORTED,
    TOO_FEW,
    VERDICTS,
)
from triplehead.data.archive import write_archive
from triplehead.data.prepare import open_split, prepare
from triplehead.errors import InputError
from triplehead.plan.claims import Difference
from triplehead.plan.plan import Plan, load_plan

SEEDS = 5
PAPER = {  # AP of rows that the claims below compare, as published
    ("table5", "FCOS"): 37.0, ("table5", "Baseline"): 33.5, ("table5", "JLA"): 38.0,
    ("table5", "JLA + triple head"): 38.9, ("table5", "JLA + triple head + box refinement"): 39.6,
    ("table5", "JLA + triple head + IoU prediction"): 39.6, ("table5", "All"): 40.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan({"scale": "proxy", "seeds": SEEDS})


def score(plan, results, place, values) -> None:
    """AP of a row's seeds; the other scores go along."""
    for spec, value in zip(plan.specs[place], values, strict=False):
        folder = results / "runs" / spec.id
        folder.mkdir(parents=True, exist_ok=True)
        scores = dict.fromkeys(("AP", "AP50", "AP75", "APS", "APM", "APL", "AP_11point", "AP75_11point"), value)
        (folder / "scores.json").write_text(json.dumps(scores))


def resampled(plan, results, place, noise) -> None:
    """replicates.npz beside scores.json: `noise` under each resample of the images, in all seeds alike."""
    for spec in plan.specs[place]:
        folder = results / "runs" / spec.id
        scores = json.loads((folder / "scores.json").read_text())
        arrays = {
            "data": spec.data_id,
            "drawn": [len(noise), plan.scale.resampling.seed],
            "num_images": 500,
            "metrics": list(scores),
            "scores": list(scores.values()),
            "replicates": np.add.outer(list(scores.values()), noise),
        }
        write_archive(folder / "replicates.npz", {name: np.asarray(value) for name, value in arrays.items()})


def by_id(plan, results) -> dict:
    return {entry.claim: entry for entry in ledger(plan, results)}


@pytest.fixture
def as_published(plan, tmp_path):
    """Table 5 with the paper's numbers and little noise, common to a seed."""
    noise = np.random.default_rng(0).normal(0, 0.5, SEEDS)
    for index, (place, value) in enumerate(PAPER.items()):
        own = np.random.default_rng(index + 1).normal(0, 0.02, SEEDS)
        score(plan, tmp_path, place, value + noise + own)
    return tmp_path


def test_the_papers_own_numbers_support_its_claims(plan, as_published):
    found = by_id(plan, as_published)
    for name in ("jla-gain", "triple-head", "box-refinement", "iou-prediction", "triple-head-complete", "ours-over-fcos",
                 "components-add-up", "all-best", "parameters-exact", "parameters-over-fcos"):  # fmt: skip
        assert found[name].verdict == SUPPORTED, name
    gain = found["jla-gain"]
    assert gain.value == pytest.approx(4.5, abs=0.1) and gain.low < gain.value < gain.high and gain.n == SEEDS
    assert gain.published == 4.5 and gain.scale == "proxy"
    assert "mechanism on small data, not about COCO" in gain.says
    assert set(gain.run_ids.split(";")) == {*plan.run_ids("table5", "JLA"), *plan.run_ids("table5", "Baseline")}


def test_a_list_that_says_once_what_verdicts_are_about_leaves_it_out_of_each(plan, as_published):
    found = {name: shortened(entry.says) for name, entry in by_id(plan, as_published).items()}
    assert found["jla-gain"] == "As claimed: the interval over seeds shows a gain of more than 0.2 points."
    assert not any("mechanism" in text for text in found.values())
    about = "About the mechanism on small data, not about COCO's numbers"
    assert shortened(f"Undecided. {about}; it rests on 4 images; A is b here.") == (
        "Undecided. It rests on 4 images; A is b here."
    )
    assert shortened("As claimed, and holds the published +4.5. At the paper's scale.") == (
        "As claimed, and holds the published +4.5."
    )
    assert shortened("Undecided. At the paper's scale, with short_side=500, weights=none; it rests on 4 images.") == (
        "Undecided. It rests on 4 images."
    )
    assert shortened("As claimed. At the paper's scale, with short_side=500.") == "As claimed."
    machine = "As claimed. About these detectors on this machine, not the paper's."
    assert shortened(machine) == machine


def test_what_an_interval_covers_is_said(plan, as_published, tmp_path):
    """Of a pair of rows, images too only where both were scored on the same resamples."""
    drawn = np.random.default_rng(0).normal(0, 1, (2, plan.scale.resampling.replicates))
    resampled(plan, as_published, ("table5", "JLA"), drawn[0])
    alone = by_id(plan, as_published)["jla-gain"]
    assert alone.interval_over == "seeds" and "the interval over seeds shows a gain" in alone.says
    resampled(plan, as_published, ("table5", "Baseline"), drawn[1])
    both = by_id(plan, as_published)["jla-gain"]
    assert both.interval_over == "seeds and images" and both.high - both.low > 3 * (alone.high - alone.low)
    assert "the interval over seeds and images shows a gain of more than 0.2 points" in both.says
    write_speed_record(plan, "table3", tmp_path)
    assert by_id(plan, tmp_path)["slower-than-fcos"].interval_over == "repeats"
    assert by_id(plan, tmp_path)["parameters-exact"].interval_over == ""
    write_csv(ledger(plan, as_published), tmp_path / "claims.csv")
    stored = read_csv(tmp_path / "claims.csv").set_index("claim")["interval_over"]
    assert stored["jla-gain"] == "seeds and images" and stored["testdev-fcos"] == ""


def test_the_opposite_and_nothing_contradict_them(plan, as_published):
    score(plan, as_published, ("table5", "JLA"), [30.0, 30.1, 29.9, 30.0, 30.05])
    found = by_id(plan, as_published)
    assert found["jla-gain"].verdict == found["components-add-up"].verdict == CONTRADICTED
    assert found["components-add-up"].compared == "AP, JLA − Baseline"
    base = [json.loads((as_published / "runs" / spec.id / "scores.json").read_text())["AP"]
            for spec in plan.specs["table5", "Baseline"]]  # fmt: skip
    score(plan, as_published, ("table5", "JLA"), np.add(base, [0.01, -0.01, 0.0, 0.01, -0.01]))
    assert by_id(plan, as_published)["jla-gain"].verdict == CONTRADICTED
    score(plan, as_published, ("table5", "JLA"), np.add(base, [9, -8, 7, -9, 8]))
    assert by_id(plan, as_published)["jla-gain"].verdict == INCONCLUSIVE


def test_missing_runs_and_missing_numbers_never_pass(plan, as_published):
    specs = plan.specs["table5", "All"]
    for spec in specs[2:]:
        (as_published / "runs" / spec.id / "scores.json").unlink()
    few = by_id(plan, as_published)["ours-over-fcos"]
    assert (few.verdict, few.n) == (TOO_FEW, 2) and "2 of the 3 seeds" in few.says
    score(plan, as_published, ("table5", "All"), [None] * SEEDS)
    assert by_id(plan, as_published)["ours-over-fcos"].verdict == NOT_MEASURED
    file = as_published / "runs" / specs[0].id / "scores.json"
    file.write_text(file.read_text().replace('"AP": null', '"AP": NaN'))
    with pytest.raises(InputError, match=r"scores\.json: AP: expected a number of 0..100 or null"):
        ledger(plan, as_published)


def test_an_empty_folder_supports_nothing_but_counts(plan, tmp_path):
    found = ledger(plan, tmp_path)
    assert {entry.verdict for entry in found if entry.kind != "parameters"} == {NOT_MEASURED}
    assert {entry.verdict for entry in found if entry.kind == "parameters"} == {SUPPORTED}
    assert all(entry.value is None for entry in found if entry.verdict == NOT_MEASURED)


def test_what_a_scale_cannot_tell_is_said(plan, tmp_path):
    found = by_id(plan, tmp_path)
    depths = Difference(kind="difference", of=("table9", "Ours, ResNet101"), minus=("table9", "Ours, ResNet50"))
    deeper = plan.claims.claims[0].model_copy(update={"quantity": depths})
    assert "are the same runs at the proxy scale" in str(not_measurable(plan, deeper))
    cited = [entry.claim for entry in found.values() if "cited" in entry.says]
    assert cited == [name for name in found if name.startswith("testdev-")] and len(cited) == 8
    assert {found[name].says for name in cited} == {"Not judged: the other row is only cited by the paper, not run."}
    smoke = load_plan({"scale": "smoke"})
    assert all(
        entry.verdict == NOT_MEASURED and "mean nothing" in entry.says
        for entry in ledger(smoke, tmp_path)
        if entry.kind != "parameters"
    )
    assert inputs(smoke) == []
    paper = load_plan({"scale": "paper"})
    assert not_measurable(paper, deeper) is None


def test_insensitive_within_half_a_point(plan, tmp_path):
    for shift, label in enumerate(("K = 25", "K = 30", "K = 35", "K = 40", "K = 45")):
        score(plan, tmp_path, ("table1", label), 38 + 0.02 * shift + np.array([0, 0.01, -0.01, 0.01, 0]))
    found = by_id(plan, tmp_path)
    assert found["k-insensitive"].verdict == SUPPORTED and found["k-best"].verdict == CONTRADICTED
    score(plan, tmp_path, ("table1", "K = 45"), [40.0, 40.1, 40.0, 39.9, 40.0])
    found = by_id(plan, tmp_path)
    assert found["k-insensitive"].verdict == CONTRADICTED and "K = 45" in found["k-insensitive"].compared


def test_speed_is_a_ratio_with_its_numbers_in_the_csv(plan, tmp_path):
    record = {
        "FCOS": [0.1] * 5,
        "Faster R-CNN": [0.2, 0.21, 0.2, 0.19, 0.2],
        "Ours": [0.125, 0.126, 0.124, 0.125, 0.125],
    }
    write_speed_record(plan, "table3", tmp_path, record)
    found = by_id(plan, tmp_path)
    slower, faster = found["slower-than-fcos"], found["faster-than-faster-rcnn"]
    assert (slower.verdict, faster.verdict, slower.n) == (SUPPORTED, SUPPORTED, 5)
    assert slower.value == pytest.approx(0.8, abs=0.01) and faster.value == pytest.approx(1.6, abs=0.02)
    write_csv(ledger(plan, tmp_path), tmp_path / "claims.csv")
    lines = read_csv(tmp_path / "claims.csv").set_index("claim")
    for entry in (slower, faster):
        line = lines.loc[entry.claim]
        assert (line["verdict"], line["n"], line["interval_over"]) == (SUPPORTED, 5, "repeats")
        assert line[["value", "low", "high"]].tolist() == pytest.approx([entry.value, entry.low, entry.high], abs=5e-5)


def test_every_verdict_in_the_csv_comes_with_its_number_interval_and_seeds(plan, as_published, tmp_path):
    write_speed_record(plan, "table3", as_published)
    write_csv(ledger(plan, as_published), tmp_path / "claims.csv")
    frame = read_csv(tmp_path / "claims.csv")
    judged = frame[~frame["verdict"].isin([NOT_MEASURED, TOO_FEW])]
    assert {"ratio", "difference", "parameters"} <= set(judged["kind"])
    assert judged[["value", "low", "high"]].notna().all(axis=None) and (judged["n"] > 0).all()


def assigned(plan, results, label, first: float, last: float) -> None:
    """Figure 4's files: 4 to 6 positives a box, whose predicted boxes lie so many pixels beside theirs, 10 wide."""
    for index, spec in enumerate(plan.specs["fig4", label]):
        folder = results / "runs" / spec.id
        folder.mkdir(parents=True, exist_ok=True)
        curve = np.linspace(4, 6 + 0.02 * index, 100)
        lines = [f"{step + 1},0.1,{value!r}" for step, value in enumerate(curve.tolist())]
        (folder / "history.csv").write_text("\n".join(["iteration,lr,positives", *lines]) + "\n")
        snapshots = [
            {
                "iteration": step,
                "images": [{"boxes": [[0, 0, 10, 10]], "positives": [[5, 5, 0, shift, 0, 10 + shift, 10]]}],
            }
            for step, shift in ((10, first), (600, last))
        ]
        (folder / "assignments.json.gz").write_bytes(gzip.compress(json.dumps(snapshots).encode()))


def test_positives_over_training(plan, tmp_path):
    assigned(plan, tmp_path, "Ours", 5.0, 1.0)
    found = by_id(plan, tmp_path)
    change = found["positives-change"]
    first, last = np.linspace(4, 6, 100)[:10].mean(), np.linspace(4, 6, 100)[-10:].mean()
    assert change.verdict == SUPPORTED and change.value == pytest.approx(100 * (last / first - 1), abs=2)


def test_assignments_improve_only_where_they_do_more_than_the_baselines(plan, tmp_path):
    """IoU 5 / 15, then 9 / 11, as any detector's boxes do that learns: less the same of fixed assignments, nothing."""
    assigned(plan, tmp_path, "Ours", 5.0, 1.0)
    assert by_id(plan, tmp_path)["assignments-improve"].says == "Not judged: no run of Baseline has been made."
    assigned(plan, tmp_path, "Baseline", 5.0, 1.0)
    alike = by_id(plan, tmp_path)["assignments-improve"]
    assert alike.value == pytest.approx(0) and alike.verdict == CONTRADICTED
    assigned(plan, tmp_path, "Baseline", 5.0, 2.5)  # 7.5 / 12.5 in the end
    better = by_id(plan, tmp_path)["assignments-improve"]
    assert better.value == pytest.approx(100 * (9 / 11 - 7.5 / 12.5)) and better.verdict == SUPPORTED
    assert better.compared.endswith("last − first snapshot, Ours − Baseline")
    assert better.says.endswith("it rests on the 4 example images of Figure 4 alone.")
    assigned(plan, tmp_path, "Baseline", 5.0, 0.5)
    assert by_id(plan, tmp_path)["assignments-improve"].verdict == CONTRADICTED


PAPER_SCALE = {"scale": "paper", "data_root": "data"}


@pytest.mark.parametrize(
    ("gain", "verdict", "begins", "holds"),
    [
        (0.5, SUPPORTED, "Smaller than claimed: ", "shows a gain of more than 0.2 points, and lies below the published +4.5"),
        (4.45, SUPPORTED, "As claimed: ", "shows a gain of more than 0.2 points, and holds the published +4.5"),
        (6.0, SUPPORTED, "Larger than claimed: ", "and lies above the published +4.5"),
        (0.2, INCONCLUSIVE, "Undecided: ", "holds a gain of more than 0.2 points and none, and lies below the published +4.5"),
        (0.0, CONTRADICTED, "Not as claimed: ", "rules out a gain of more than 0.2 points, and lies below the published +4.5"),
    ],
)  # fmt: skip
def test_at_the_paper_scale_the_size_counts_too(tmp_path, gain, verdict, begins, holds):
    """Three seeds, intervals of ±0.1 around the gain."""
    paper = load_plan(PAPER_SCALE | {"seeds": 3})
    swing = np.array([-0.04, 0, 0.04])
    for label, values in (("JLA", 33.5 + gain + swing), ("Baseline", [33.5] * 3)):
        score(paper, tmp_path, ("table5", label), values)
    entry = by_id(paper, tmp_path)["jla-gain"]
    assert (
        entry.verdict == verdict and entry.says.startswith(begins) and f"{holds}. At the paper's scale." in entry.says
    )


def test_below_the_paper_scale_the_published_size_is_no_yardstick(plan, tmp_path):
    for label, values in (("JLA", [34.0, 34.1, 33.9, 34.0, 34.0]), ("Baseline", [33.5] * 5)):
        score(plan, tmp_path, ("table5", label), values)
    said = by_id(plan, tmp_path)["jla-gain"].says
    assert said.startswith("As claimed: ") and "published" not in said


def test_a_chain_is_held_against_its_smallest_step_and_likeness_against_its_region(tmp_path):
    paper = load_plan(PAPER_SCALE | {"seeds": 3})
    for place, value in PAPER.items():
        score(paper, tmp_path, place, value + np.array([0, 0.01, -0.01]))
    for label in ("θ = 0.6", "θ = 0.7", "θ = 0.8"):
        score(paper, tmp_path, ("table2", label), [38.0, 38.1, 37.9])
    found = by_id(paper, tmp_path)
    assert "holds the published +0.7 (smallest of the steps)" in found["components-add-up"].says
    assert found["theta-insensitive"].verdict == SUPPORTED and "published" not in found["theta-insensitive"].says


def test_shares_above_an_iou_are_compared_by_their_ratio(plan, tmp_path):
    """JLA finds 8 of 10 boxes exactly, RetinaNet 4, FCOS and the triple head the same 8."""
    spec = plan.specs["fig5", "JLA"][0]
    few = spec.data.model_copy(update={"train": 2, "val": 60})
    prepare(few, None, tmp_path / "data" / spec.data_id)
    dataset = open_split(tmp_path / "data" / spec.data_id, "val")
    objects = [
        {
            "image_id": image.image_id,
            "category_id": dataset.label_to_category[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }
        for image in dataset.truth()
        for (x1, y1, x2, y2), label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True)
    ]
    objects = objects[: len(objects) // 10 * 10]
    exact = {"JLA": 8, "Max-IoU (RetinaNet)": 4, "Spatial (FCOS)": 8, "JLA + triple head": 8, "ATSS": 8}
    for label, hits in exact.items():
        for run in plan.specs["fig5", label]:
            folder = tmp_path / "runs" / run.id
            folder.mkdir(parents=True, exist_ok=True)
            moved = [
                each | {"score": 0.9, "bbox": each["bbox"] if index % 10 < hits else [0, 0, 1, 1]}
                for index, each in enumerate(objects)
            ]
            (folder / "detections.json.gz").write_bytes(gzip.compress(json.dumps(moved).encode()))
    found = by_id(plan, tmp_path)
    gain = found["iou95-jla-over-retinanet"]
    assert (gain.verdict, gain.interval_over) == (SUPPORTED, "seeds and images") and gain.value == pytest.approx(100)
    assert 50 < gain.low < 95 and 105 < gain.high < 150  # seeds alike: the images' noise alone
    alike = found["iou95-triple-over-jla"]
    assert alike.low == pytest.approx(0) == alike.high  # the same boxes in every resample: paired
    assert found["iou95-jla-below-fcos"].verdict == found["iou95-triple-over-jla"].verdict == CONTRADICTED
    assert "retinanet_one_anchor" in found["iou95-jla-over-retinanet"].says
    assert gain.says.endswith("216 predictions a seed against 108, of up to 270.")


def test_the_csv_is_the_same_again_and_complete(plan, as_published, tmp_path):
    for name in ("a.csv", "b.csv"):
        write_csv(ledger(plan, as_published), tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    frame = read_csv(tmp_path / "a.csv")
    assert list(frame["claim"]) == [claim.id for claim in plan.claims.claims] and len(frame) >= 25
    assert set(frame["verdict"]) <= set(VERDICTS) and (frame["says"] != "").all()
    assert frame.set_index("claim").loc["parameters-exact", "value"] == 34_614_307
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"c\.csv: expected the columns claim,title"):
        read_csv(tmp_path / "c.csv")
    with pytest.raises(InputError, match=r"d\.csv: no such ledger"):
        read_csv(tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("column", "value"),
    [("value", "x"), ("published", "x"), ("region", "1;2"), ("n", "x"), ("n", "9" * 30), ("n_needed", "")],
)
def test_a_ledger_that_was_edited_is_named(plan, as_published, tmp_path, column, value):
    write_csv(ledger(plan, as_published), path := tmp_path / "claims.csv")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[1, column] = value
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match=r"claims\.csv: is no ledger of claims"):
        read_csv(path)


def test_what_was_not_run_is_named(plan, tmp_path):
    """Nothing at all, one row of two, and speed of another scale, which spoils no other claim."""
    assert by_id(plan, tmp_path)["jla-gain"].says == "Not judged: none of its runs has been made."
    score(plan, tmp_path, ("table5", "JLA"), [30, 31, 32, 33, 34])
    assert by_id(plan, tmp_path)["jla-gain"].says == "Not judged: no run of Baseline has been made."
    write_speed_record(load_plan({"scale": "smoke"}), "table3", tmp_path)
    score(plan, tmp_path, ("table5", "Baseline"), [20, 21, 22, 23, 24])
    entries = by_id(plan, tmp_path)
    assert entries["slower-than-fcos"].verdict == NOT_MEASURED
    assert entries["slower-than-fcos"].says == "Not judged: speed was measured at the smoke scale."
    assert entries["jla-gain"].verdict == SUPPORTED


def test_rows_that_detect_nothing_are_not_alike(plan, tmp_path):
    for label in ("θ = 0.6", "θ = 0.7", "θ = 0.8"):
        score(plan, tmp_path, ("table2", label), [0] * SEEDS)
    found = by_id(plan, tmp_path)["theta-insensitive"]
    assert found.verdict == NOT_MEASURED and "AP is 0 in all of its runs" in found.says


def test_what_a_published_number_is_of_claims_of_several_rows(plan, tmp_path):
    entries = by_id(plan, tmp_path)
    told = {name: (entries[name].published_as, published(entries[name].published, "points", entries[name].kind))
            for name in ("jla-gain", "components-add-up", "all-best", "testdev-iqdet", "theta-insensitive")}  # fmt: skip
    assert told == {
        "jla-gain": ("", "+4.5"),
        "components-add-up": ("smallest of the steps", "each ≥ +0.7"),
        "all-best": ("lead over the next best", "leads by 0.7"),
        "testdev-iqdet": ("largest difference between two of the rows", "within 0.1"),
        "theta-insensitive": ("largest difference between two of the rows", "all equal"),  # 38.0 each, in Table 2
    }


def test_what_a_verdict_rests_on_is_said(plan, as_published):
    """Seeds that lie far apart, rivals that are smaller than theirs, and what the claim itself remarks."""
    score(plan, as_published, ("table6", "FCOS"), [35.0, 35.1, 35.2, 34.9, 35.0])
    score(plan, as_published, ("table6", "Ours"), [14.1, 34.1, 16.2, 30.0, 20.0])
    for place in (("table8", "Ours"), ("table8", "BorderDet"), ("table8", "DyHead")):
        score(plan, as_published, place, [40.0, 40.1, 39.9, 40.2, 40.0])
    found = by_id(plan, as_published)
    assert found["voc-fcos"].says.endswith(
        "Ours has the COCO scenes' K, 7; seeds of Ours: 14.1, 34.1, 16.2, 30.0, 20.0."
    )
    assert "border branch has 0.25 of the channels here, not 1;" in found["heads-best"].says
    assert found["heads-best"].says.endswith("DyHead has 1 of 6 blocks here.")
    assert "ticked there, too" in found["box-refinement"].says and "seeds of" not in found["jla-gain"].says
    write_speed_record(plan, "table3", as_published)
    assert "second stage has 128 units here, not 1,024" in by_id(plan, as_published)["faster-than-faster-rcnn"].says
    assert "second stage" not in by_id(plan, as_published)["slower-than-fcos"].says
