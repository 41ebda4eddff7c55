"""VisDrone's protocol: each rule by hand, plain Python on random scenes, a real conversion, and its speed."""

import json
import time

import numpy as np
import pytest
from tests.engine.protocol_references import visdrone
from tests.engine.protocol_scenes import CATEGORIES, random_scene, result, truth_of

from triplehead.data.overlaps import overlaps
from triplehead.engine.coco_scores import coco_scores
from triplehead.engine.matches import FALSE, TRUE
from triplehead.engine.visdrone_scores import match, visdrone_scores
from triplehead.plan.options import Evaluation

ONE = CATEGORIES[:1]
BOX, OTHER = (10, 10, 30, 30), (50, 50, 70, 70)


def ap50(truth, results, categories=ONE):
    return visdrone_scores(truth, results, categories)["AP50"]


@pytest.mark.parametrize("seed", range(40))
def test_plain_python_agrees(seed):
    truth, results = random_scene(seed, with_regions=seed % 2 == 0)
    scores = visdrone_scores(truth, results, CATEGORIES)
    expected = visdrone(truth, results, CATEGORIES)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_plain_python_agrees_on_the_cap(seed, monkeypatch):
    monkeypatch.setattr("triplehead.engine.visdrone_scores.MAX_DETECTIONS", (1, 10, 100, 7))
    truth, results = random_scene(seed)
    expected = visdrone(truth, results, CATEGORIES, most=7)
    scores = visdrone_scores(truth, results, CATEGORIES)
    names = ("AP", "AP50", "AP75", "AP_classmean", "AR1")
    assert {name: scores[name] for name in names} == pytest.approx({name: expected[name] for name in names}, abs=1e-12)


def test_ground_truth_as_detections_is_100(real_data):
    """546 boxes of eleven test-dev images, by a peer's conversion into COCO's format."""
    content = json.loads((real_data / "visdrone" / "peer_coco" / "annotations.json").read_text())
    categories = [(each["id"], each["name"]) for each in content["categories"]]
    truth, results = [], []
    for each in content["images"]:
        own = [row for row in content["annotations"] if row["image_id"] == each["id"]]
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (row["bbox"] for row in own)]
        truth.append(truth_of(each["id"], boxes, [row["category_id"] for row in own]))
        results += [result(box, 0.5, each["id"], row["category_id"]) for box, row in zip(boxes, own, strict=True)]
    assert len(results) == 546 and len(categories) == 10
    scores = visdrone_scores(truth, results, categories)
    for name in ("AP", "AP50", "AP75", "AP_classmean", "AR500"):
        assert scores[name] == pytest.approx(100)
    found_in = {row["category_id"] for row in content["annotations"]}
    for number, name in categories:
        assert scores[f"AP50/{name}"] == (pytest.approx(100) if number in found_in else None)


def test_matching_gives_cocos_known_recall(real_data):
    """The toolkit matches as COCO does, its ignored boxes as COCO's crowds: 100 images of val2014, whose recall at
    100 detections pycocotools gives as 59.5353 (mean of the classes, hence class by class here)."""
    folder = real_data / "coco_eval"
    content = json.loads((folder / "instances_val2014_100.json").read_text())
    found = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    recalls = []
    for category in content["categories"]:
        own = [row for row in content["annotations"] if row["category_id"] == category["id"]]
        truth = []
        for image in content["images"]:
            rows = [row for row in own if row["image_id"] == image["id"]]
            boxes = [(x, y, x + w, y + h) for x, y, w, h in (row["bbox"] for row in rows)]
            truth.append(truth_of(image["id"], boxes, ignore=[row["iscrowd"] for row in rows]))
        results = [row for row in found if row["category_id"] == category["id"]]
        recalls.append(visdrone_scores(truth, results, [(category["id"], "")])["AR500"])
    known = [recall for recall in recalls if recall is not None]
    assert sum(row["iscrowd"] for row in content["annotations"]) == 9
    mean = sum(known) / len(known)
    assert mean == pytest.approx(59.5353, abs=5e-5)  # as far as it is known
    path = folder / "instances_val2014_100.json"
    assert mean == pytest.approx(coco_scores(path, found, Evaluation())["AR100"], abs=1e-12)


def test_half_covered_boxes_and_detections_are_removed():
    regions = [(50, 50, 60, 70)]  # the left half of OTHER
    truth = [truth_of(1, [BOX, OTHER], regions=regions)]
    assert ap50(truth, [result(BOX, 0.5)]) == 100  # OTHER need not be found
    assert ap50(truth, [result(OTHER, 0.9), result(BOX, 0.5)]) == 100  # nor does a detection on it cost
    less = [truth_of(1, [BOX, OTHER], regions=[(50, 50, 59, 70)])]
    assert ap50(less, [result(BOX, 0.5)]) == 50


def test_regions_count_as_their_union():
    truth = [truth_of(1, [BOX, OTHER], regions=[(50, 50, 58, 70), (52, 50, 60, 70)])]
    assert ap50(truth, [result(BOX, 0.5)]) == 100
    # two regions of 30 % each, one upon the other, cover 30 %
    same = [truth_of(1, [BOX, OTHER], regions=[(50, 50, 56, 70), (50, 50, 56, 70)])]
    assert ap50(same, [result(BOX, 0.5)]) == 50


def test_ignored_boxes_are_matched_by_the_share_of_the_detection():
    truth = [truth_of(1, [BOX, (40, 40, 90, 90)], ignore=[False, True])]
    inside = [result((45, 45, 55, 55), 0.9), result((60, 60, 70, 70), 0.8)]  # small parts of it, twice
    assert ap50(truth, [*inside, result(BOX, 0.5)]) == 100
    outside = [result((85, 85, 99, 99), 0.9)]  # 25 of 196 pixels inside
    assert ap50(truth, [*outside, result(BOX, 0.5)]) == 50


def test_boxes_to_find_come_before_ignored_ones():
    truth = [truth_of(1, [(0, 0, 50, 50), (10, 10, 30, 28)], ignore=[True, False])]
    assert ap50(truth, [result(BOX, 0.9)]) == 100  # its IoF with the ignored box is 1, its IoU .9


def test_a_detection_turns_to_the_next_free_box():
    """Unlike VOC's."""
    truth = [truth_of(1, [(0, 0, 20, 20), (0, 0, 20, 30)])]
    assert ap50(truth, [result((0, 0, 20, 20), 0.9), result((0, 0, 20, 21), 0.8)]) == 100


def test_the_last_of_equal_boxes_is_taken():
    boxes = np.array([[0.0, 0, 20, 20], [20, 0, 40, 20]])
    found = np.array([[10.0, 0, 30, 20], [0, 0, 20, 20], [20, 0, 40, 20]])  # the first: IoU 1/3 with both
    outcome = match(overlaps(found, boxes), np.array([False, False]), np.array([0.3]))
    assert outcome.tolist() == [[TRUE, TRUE, FALSE]]


def test_at_most_500_detections_of_an_image_over_all_classes():
    truth = [truth_of(1, [BOX, BOX], labels=[0, 1]), truth_of(2)]
    noise = [result((60, 60, 80, 80), 0.9, category_id=2) for _ in range(499)]
    hit = [result(BOX, 0.5, category_id=1)]
    assert visdrone_scores(truth, hit + noise, CATEGORIES)["AP50/one"] == 100  # the 500th, though first in the file
    assert visdrone_scores(truth, [*hit, *noise, noise[0]], CATEGORIES)["AP50/one"] == 0
    elsewhere = [result((60, 60, 80, 80), 0.9, 2, 2)]
    assert visdrone_scores(truth, hit + noise + elsewhere, CATEGORIES)["AP50/one"] == 100


def test_the_cap_comes_after_the_removal():
    truth = [truth_of(1, [BOX], regions=[(50, 50, 90, 90)])]
    assert ap50(truth, [result(OTHER, 0.9) for _ in range(600)] + [result(BOX, 0.5)]) == 100


def test_recalls_by_the_number_of_detections():
    truth = [truth_of(1, [BOX, OTHER])]
    scores = visdrone_scores(truth, [result(BOX, 0.9), result(OTHER, 0.8)], ONE)
    assert (scores["AR1"], scores["AR10"], scores["AR500"]) == (50, 100, 100)


def test_a_class_weighs_as_much_as_the_images_that_hold_it():
    truth = [truth_of(index, [BOX], labels=[0]) for index in (1, 2, 3)] + [truth_of(4, [BOX, OTHER], labels=[1, 1])]
    results = [result(BOX, 0.9, index, 1) for index in (1, 2, 3)]  # all of class one, none of class two
    scores = visdrone_scores(truth, results, CATEGORIES)
    assert scores["AP50"] == pytest.approx(75) and scores["AP50_classmean"] == pytest.approx(50)
    assert scores["AP"] == pytest.approx(75) and scores["AP_classmean"] == pytest.approx(50)
    assert scores["AP50/one"] == 100 and scores["AP50/two"] == 0 and scores["AP50/three"] is None


def test_nothing_to_find_is_no_score():
    assert set(visdrone_scores([truth_of(1)], [result(BOX, 0.9)], CATEGORIES).values()) == {None}


def test_a_flat_box_is_never_found():
    truth = [truth_of(1, [BOX, (40, 40, 60, 40)], regions=[(0, 90, 10, 99)])]
    assert ap50(truth, [result(BOX, 0.9)]) == 50


def test_a_quarter_of_the_validation_set_takes_seconds():
    """137 images x 500 detections, 70 boxes each, as VisDrone has them; all 548 took 5 seconds."""
    generator = np.random.default_rng(0)
    categories = [(number, str(number)) for number in range(1, 11)]
    truth, results = [], []
    for image_id in range(137):
        corner = generator.uniform(0, 900, (70, 2))
        boxes = np.concatenate([corner, corner + generator.uniform(10, 60, (70, 2))], axis=1)
        labels = generator.integers(0, 10, 70)
        truth.append(truth_of(image_id, boxes, labels, regions=boxes[:2] + 5, size=1000))
        which = generator.integers(0, 70, 500)
        near = boxes[which] + generator.normal(0, 2, (500, 4))
        scores = generator.random(500)
        for box, score, label in zip(near, scores, labels[which], strict=True):
            results.append(result(box, float(score), image_id, int(label) + 1))
    begun = time.process_time()
    scores = visdrone_scores(truth, results, categories)
    assert time.process_time() - begun < 15
    assert 0 < scores["AP"] < scores["AP50"] < 100
