"""The evaluator in C++ says what pycocotools says: scores to the last bit, and every match."""

import json

import numpy as np
import pytest
from tests.engine import pycocotools_reference as reference
from tests.engine.protocol_scenes import random_coco

from triplehead.engine.coco_scores import coco_evaluation, coco_matches, coco_numbers
from triplehead.plan.options import Evaluation

SIZES = Evaluation(area_small=256, area_large=1600)


def check(path, results, options):
    """Returns the scores."""
    theirs = reference.coco_evaluation(path, [dict(row) for row in results], options)
    ours = coco_evaluation(path, results, options)
    matches, expected = coco_matches(ours), vars(reference.coco_matches(theirs))
    for name, value in vars(matches).items():
        assert np.array_equal(value, expected[name]), name
    scores = coco_numbers(ours, matches)
    assert list(scores.values()) == [None if value < 0 else 100 * value for value in theirs.stats]
    return scores


def test_real_annotations(real_data):
    folder = real_data / "coco_eval"
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    assert check(folder / "instances_val2014_100.json", results, Evaluation())["AR100"] > 50


@pytest.mark.parametrize("seed", range(5))
def test_random_scenes(tmp_path, seed):
    content, results = random_coco(seed)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert check(path, results, SIZES)["AP"] > 0


def test_ties_and_more_than_100_detections_of_an_image(tmp_path):
    """Equal scores everywhere, boxes that tie in overlap, ids that do not begin at 1 and stand in no order."""
    generator = np.random.default_rng(0)
    content, _ = random_coco(7, images=6)
    content["images"] = [row | {"id": 50 - row["id"]} for row in content["images"]]
    content["annotations"] = [row | {"image_id": 50 - row["image_id"]} for row in content["annotations"]]
    results = [
        {"image_id": 50 - int(image), "category_id": int(label), "bbox": box, "score": float(score) / 3}
        for row in content["annotations"]
        for box in [row["bbox"]] * 60
        for image, label, score in [(generator.integers(1, 7), generator.integers(1, 4), generator.integers(1, 3))]
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    assert max(np.unique([row["image_id"] for row in results], return_counts=True)[1]) > 100
    check(path, results, SIZES)


@pytest.mark.parametrize("results", [[], [{"image_id": 1, "category_id": 4, "bbox": [0, 0, 5, 5], "score": 0.5}]])
def test_nothing_found(tmp_path, results):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(random_coco(0)[0]))
    assert check(path, results, SIZES)["AP"] == 0
