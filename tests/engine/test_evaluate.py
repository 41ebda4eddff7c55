"""Evaluation: COCO's numbers, boxes in the original image's pixels, refusals."""

import gzip
import json
import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from tests.engine.protocol_scenes import CATEGORIES, random_scene
from tests.helpers import changed

from triplehead.analysis.statistics.replicates import read_replicates
from triplehead.data.coco import CocoDataset
from triplehead.digests import forget, record
from triplehead.engine import checkpoint, runtime
from triplehead.engine.coco_scores import coco_scores
from triplehead.engine.evaluate import coco_results, evaluate, predict, protocol_scores, trained_model
from triplehead.engine.resample import resample
from triplehead.engine.visdrone_scores import visdrone_scores
from triplehead.engine.voc_scores import voc_scores
from triplehead.errors import InputError
from triplehead.jobs import resampled_after, snakemakes_record
from triplehead.paths import MATCHES
from triplehead.plan.options import Evaluation
from triplehead.plan.schema import Resampling


def test_scores_and_detections_are_written_and_repeat(small_spec, small_data, trained):
    evaluate(small_spec, small_data, trained)
    first = {name: (trained / name).read_bytes() for name in ("scores.json", "detections.json.gz", "matches.npz")}
    scores = json.loads(first["scores.json"])
    assert scores["images"] == small_spec.data.val
    assert scores["detections"] == len(json.loads(gzip.decompress(first["detections.json.gz"])))
    assert 0 <= scores["AP"] <= scores["AP50"] <= 100
    evaluate(small_spec, small_data, trained)
    assert first == {name: (trained / name).read_bytes() for name in first}


def test_a_run_ends_with_its_resamples(small_spec, small_data, trained, tmp_path):
    """Written before scores.json, so that a run with scores has them; the rule `resample` has nothing to do."""
    run, resampling = tmp_path / "run", Resampling(replicates=100)
    shutil.copytree(trained, run)
    (run / "scores.json").unlink(missing_ok=True)
    assert not resampled_after(run, resampling)
    scores = evaluate(small_spec, small_data, run, resampling=resampling)
    found = read_replicates(run / "replicates.npz", small_spec, resampling)
    assert found.scores["AP"] == scores["AP"] and found.replicates["AP"].shape == (100,)
    assert not resampled_after(run, resampling) and resampled_after(run, Resampling(replicates=200))
    before = (run / "replicates.npz").read_bytes()
    (run / "replicates.npz").unlink()
    assert resampled_after(run, resampling)
    resample(small_spec, run, resampling)
    assert (run / "replicates.npz").read_bytes() == before


def test_whose_resamples_these_are(small_spec, trained, tmp_path, monkeypatch):
    """Snakemake touches a job's files one after the other as it ends: which is younger by that says nothing."""
    monkeypatch.chdir(tmp_path)
    run, resampling = Path("results/runs/run"), Resampling(replicates=100)
    shutil.copytree(trained, run)
    scores, resamples = run / "scores.json", run / "replicates.npz"
    scores.write_text("{}")
    resample(small_spec, run, resampling)
    for later, after in ((-60, False), (0, False), (0.004, False), (2, True)):
        os.utime(scores, (1000, 1000))
        os.utime(resamples, (1000 + later, 1000 + later))
        assert resampled_after(run, resampling) == after
    os.utime(resamples, (1000, 1000))
    record = snakemakes_record("metadata", resamples)
    record.parent.mkdir(parents=True)
    for made, after in (('{"rule": "train"}', False), ('{"rule": "resample"}', True), ("{", False), ("[]", False)):
        record.write_text(made)
        assert resampled_after(run, resampling) == after


def same(one: dict, other: dict) -> bool:
    """Detections, but for rounding: sides have three decimals and scores six."""
    return (
        (one["image_id"], one["category_id"]) == (other["image_id"], other["category_id"])
        and one["bbox"] == pytest.approx(other["bbox"], abs=2e-3)
        and one["score"] == pytest.approx(other["score"], abs=2e-6)
    )


def test_scores_do_not_depend_on_the_batch_size(small_spec, small_data, trained, tmp_path):
    """Images of two sizes, in turns: padding one to the other would change what the detector sees."""
    content = json.loads((small_data / "annotations" / "instances_val2017.json").read_text())
    for index, image in enumerate(content["images"]):
        pixels = Image.open(small_data / "val2017" / image["file_name"])
        image["width"] = 64 if index % 2 else 96
        pixels.crop((0, 0, image["width"], 96)).save(tmp_path / image["file_name"])
    (tmp_path / "info.json").write_text(json.dumps(content))
    dataset = CocoDataset(tmp_path, tmp_path / "info.json", annotated=False)
    fabric = runtime.start(small_spec, "cpu")
    model = trained_model(small_spec, trained, fabric)
    alone, together = (
        predict(model, dataset, changed(small_spec, evaluation={"batch_size": size}), fabric) for size in (1, 6)
    )
    assert len(alone) > 50
    assert len(alone) == len(together)
    left = list(together)
    for one in alone:  # scores that agree to the last digit may change places
        left.remove(next(other for other in left if same(one, other)))
    truth = runtime.open_data(small_spec, small_data, "val").annotations
    scores, again = (coco_scores(truth, found, small_spec.evaluation) for found in (alone, together))
    assert scores["AP50"] > 0 and scores == pytest.approx(again, abs=1e-3, nan_ok=True)


def test_images_that_do_not_fit_at_once_are_taken_in_parts(small_spec, small_data, trained, monkeypatch, capsys):
    """Lowering the setting instead would be another run: days of training for a number that does not change."""
    fabric = runtime.start(small_spec, "cpu")
    dataset = runtime.open_data(small_spec, small_data, "val")
    model, room = trained_model(small_spec, trained, fabric), 12

    def limited(images: list) -> list:
        if len(images) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return model(images)

    spec = changed(small_spec, evaluation={"batch_size": 12})
    whole = predict(limited, dataset, spec, fabric)
    assert capsys.readouterr().err == ""
    room = 3
    parts = predict(limited, dataset, spec, fabric)
    said = capsys.readouterr().err.splitlines()
    assert "12 images at once do not fit into the memory of cpu; takes them 6 at a time" in said[0] and len(said) == 3
    assert len(whole) > 50
    for one, other in zip(whole, parts, strict=True):
        assert one["image_id"] == other["image_id"] and one["score"] == pytest.approx(other["score"], abs=2e-6)
    room = 0
    with pytest.raises(InputError, match=r"^evaluation: one image does not fit into the memory of cpu; .*short_side"):
        predict(limited, dataset, spec, fabric)


def test_scores_do_not_depend_on_the_number_of_workers(small_spec, small_data, trained, tmp_path):
    """To the byte: workers read the images, one process predicts."""
    spec, written = changed(small_spec, evaluation={"batch_size": 5}), {}  # 12 images: the last batch is a smaller one
    for workers in (0, 2):
        run = tmp_path / str(workers)
        shutil.copytree(trained, run, ignore=shutil.ignore_patterns("detections*", "matches*", "scores*"))
        state = checkpoint.load(run / "model.pt", small_spec.id)
        checkpoint.save(run / "model.pt", spec.id, model=state["model"])
        evaluate(spec, small_data, run, num_workers=workers)
        written[workers] = [(run / name).read_bytes() for name in ("scores.json", "detections.json.gz", MATCHES)]
    assert written[0] == written[2]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda weights: {}, "holds no weights"),
        (lambda weights: {"model": {name: value.half() for name, value in weights.items()}}, "do not fit the spec"),
        (
            lambda weights: {"model": weights | {"head.scale.factors.0": weights["head.scale.factors.0"] * math.nan}},
            "not finite",
        ),
    ],
)
def test_weights_that_no_training_leaves_have_no_scores(small_spec, small_data, trained, tmp_path, harm, reason):
    weights = checkpoint.load(trained / "model.pt", small_spec.id)["model"]
    checkpoint.save(tmp_path / "model.pt", small_spec.id, **harm(weights))
    with pytest.raises(InputError, match=rf"model\.pt: .*{reason}"):
        evaluate(small_spec, small_data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize("part", ["head.", "backbone.fpn.", "head.reg_tower"])
def test_outputs_that_are_no_numbers_have_no_scores(small_spec, small_data, trained, tmp_path, part):
    """Of weights that are finite, all of them, or those of the final boxes alone."""
    weights = checkpoint.load(trained / "model.pt", small_spec.id)["model"]
    grown = {
        name: value * 1e37 if part in name and value.is_floating_point() else value for name, value in weights.items()
    }
    assert checkpoint.not_finite(grown) is None
    checkpoint.save(tmp_path / "model.pt", small_spec.id, model=grown)
    with pytest.raises(InputError, match=rf"{small_spec.id}: on 12 of 12 images logits or boxes are not finite"):
        evaluate(small_spec, small_data, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize(("dataset", "protocol"), [("voc", voc_scores), ("visdrone", visdrone_scores)])
def test_a_run_is_scored_by_the_protocol_of_its_data_set(small_spec, dataset, protocol):
    truth, results = random_scene(1)
    data = SimpleNamespace(truth=lambda: truth, categories=CATEGORIES)
    scores, _ = protocol_scores(changed(small_spec, dataset=dataset), data, results)
    assert scores == protocol(truth, results, CATEGORIES)
    assert {"AP", "AP50", "AP75"} <= scores.keys() and 0 < scores["AP"] < scores["AP50"] < 100


def test_a_model_of_another_spec_is_refused(small_spec, small_data, trained):
    with pytest.raises(InputError, match=r"model\.pt: belongs to"):
        evaluate(changed(small_spec, seed=7), small_data, trained)


def test_a_model_that_was_changed_since_is_refused(small_spec, small_data, trained, tmp_path):
    """Of a weight's flipped bit torch knows nothing; where no digest is recorded, neither do we."""
    run = tmp_path / "results" / "runs" / small_spec.id
    run.mkdir(parents=True)
    state = checkpoint.load(trained / "model.pt", small_spec.id)
    checkpoint.save(run / "model.pt", small_spec.id, **state)
    record(f"train/{small_spec.id}", [run / "model.pt"], tmp_path / "results")
    fabric = runtime.start(small_spec, "cpu")
    trained_model(small_spec, run, fabric)
    next(iter(state["model"].values())).mul_(2)
    checkpoint.save(run / "model.pt", small_spec.id, **state)
    with pytest.raises(InputError, match=r"model\.pt: is not what `train/.*` made: edited or damaged since"):
        trained_model(small_spec, run, fabric)
    forget(f"train/{small_spec.id}", tmp_path / "results")
    trained_model(small_spec, run, fabric)


def test_a_missing_model_is_named(small_spec, small_data, tmp_path):
    with pytest.raises(InputError, match=r"model\.pt: cannot be read"):
        evaluate(small_spec, small_data, tmp_path)


def test_boxes_return_to_the_original_image():
    found = {"boxes": torch.tensor([[10.0, 20, 30, 60]]), "scores": torch.tensor([0.5]), "labels": torch.tensor([1])}
    (row,) = coco_results(found, {"size": (100, 400), "image_id": 9}, (50, 100), [3, 7])
    assert row == {"image_id": 9, "category_id": 7, "bbox": [40.0, 40.0, 80.0, 80.0], "score": 0.5}


def test_known_coco_scores_are_reproduced(real_data):
    """100 images of val2014 with the results that COCO's own repository publishes, whose scores (with three digits there)
    pycocotools gave with six."""
    folder = real_data / "coco_eval"
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    scores = coco_scores(folder / "instances_val2014_100.json", results, Evaluation())
    known = {"AP": 50.4581, "AP50": 69.6973, "AP75": 57.2982, "APS": 58.5626, "APM": 51.9400, "APL": 50.1398,
             "AR1": 38.6813, "AR10": 59.3680, "AR100": 59.5353, "ARS": 63.9811, "ARM": 56.6421, "ARL": 56.4291}  # fmt: skip
    assert scores == pytest.approx(known, abs=5.1e-5)


def test_perfect_detections_score_100_and_none_score_0(tmp_path):
    annotations = {
        "images": [{"id": 1, "width": 64, "height": 64, "file_name": "a.png"}],
        "categories": [{"id": 5, "name": "five"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [4, 4, 30, 40], "area": 1200, "iscrowd": 0}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(annotations))
    perfect = [{"image_id": 1, "category_id": 5, "bbox": [4, 4, 30, 40], "score": 0.9}]
    options = Evaluation(area_small=256, area_large=1600)
    scores = coco_scores(path, perfect, options)
    assert scores["AP"] == scores["APM"] == pytest.approx(100)
    assert scores["APS"] is None and scores["APL"] is None
    assert coco_scores(path, [], options)["AP"] == 0
