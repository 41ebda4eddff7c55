"""VOC's protocol: known scores, each rule by hand, and plain Python on random scenes."""

import numpy as np
import pytest
from tests.engine.protocol_references import area_under_curve, eleven_points, rows_of, voc_points
from tests.engine.protocol_scenes import CATEGORIES, random_scene, result, truth_of

from triplehead.data.results import detections
from triplehead.engine.average_precision import ELEVEN_POINTS, THRESHOLDS
from triplehead.engine.voc_scores import average_precisions, voc_scores

ONE = CATEGORIES[:1]
BOX = (10, 10, 30, 30)


def ap(truth, results, threshold=0.5, categories=ONE):
    by_area, by_points = average_precisions(truth, detections(results, truth, categories), len(categories), [threshold])
    return by_area[0, 0], by_points[0, 0]


@pytest.mark.parametrize(
    ("threshold", "by_points", "by_area"),
    [(0.1, 0.3333333333, 0.3371980676), (0.3, 0.2683982683, 0.2456866804), (0.5, 0.0303030303, 0.0222222222), (0.75, 0, 0)],
)  # fmt: skip
def test_known_scores_are_reproduced(real_data, threshold, by_points, by_area):
    """15 boxes and 24 detections of one class, whose scores another evaluator states (sides +1, as VOC has them)."""
    folder = real_data / "voc_eval" / "test_case_1"
    truth, results = [], []
    for image_id, file in enumerate(sorted((folder / "gts").glob("*.txt"))):
        lines = [list(map(float, line.split()[1:])) for line in file.read_text().splitlines()]
        truth.append(truth_of(image_id, [(x, y, x + w + 1, y + h + 1) for x, y, w, h in lines]))
        for line in (folder / "dets" / file.name).read_text().splitlines():
            score, x, y, w, h = map(float, line.split()[1:])
            results.append(result((x, y, x + w + 1, y + h + 1), score, image_id))
    assert sum(len(each.boxes) for each in truth) == 15 and len(results) == 24
    assert ap(truth, results, threshold) == pytest.approx((by_area, by_points), abs=1e-10)


@pytest.mark.parametrize("seed", range(40))
def test_plain_python_agrees(seed):
    truth, results = random_scene(seed)
    found = detections(results, truth, CATEGORIES)
    by_area, by_points = average_precisions(truth, found, len(CATEGORIES), THRESHOLDS)
    rows = rows_of(results, truth, CATEGORIES)
    for label in range(len(CATEGORIES)):
        for index, threshold in enumerate(THRESHOLDS):
            points, positives = voc_points(truth, rows, label, threshold)
            if not positives:
                assert np.isnan(by_area[index, label]) and np.isnan(by_points[index, label])
                continue
            assert by_area[index, label] == pytest.approx(area_under_curve(points, positives), abs=1e-14)
            expected = eleven_points(points, positives, ELEVEN_POINTS.tolist())
            assert by_points[index, label] == pytest.approx(expected, abs=1e-14)


def test_a_curve_by_hand():
    # Hit, miss, hit of three boxes: (1/3, 1), (1/3, 1/2), (2/3, 2/3).
    truth = [truth_of(1, [BOX, (50, 50, 70, 70), (80, 80, 95, 95)])]
    results = [result(BOX, 0.9), result((0, 60, 20, 80), 0.8), result((50, 50, 70, 70), 0.7)]
    by_area, by_points = ap(truth, results)
    assert by_area == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert by_points == pytest.approx((4 * 1 + 3 * 2 / 3) / 11)  # recalls 0-.3, then .4-.6


def test_the_second_detection_of_a_box_is_false():
    truth = [truth_of(1, [BOX, (50, 50, 70, 70)])]
    once = [result(BOX, 0.9), result((50, 50, 70, 70), 0.5)]
    assert ap(truth, once) == (1, 1)
    assert ap(truth, [*once, result(BOX, 0.8)])[0] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_a_detection_does_not_turn_to_the_next_box():
    """It goes to the box that it overlaps most, taken or not."""
    truth = [truth_of(1, [(0, 0, 20, 20), (0, 0, 20, 30)])]
    results = [result((0, 0, 20, 20), 0.9), result((0, 0, 20, 21), 0.8)]  # both are nearest to the first
    assert ap(truth, results)[0] == pytest.approx(0.5)


def test_difficult_boxes_need_not_be_found_and_cost_nothing():
    truth = [truth_of(1, [BOX, (50, 50, 70, 70)], ignore=[False, True])]
    hit = [result(BOX, 0.5)]
    assert ap(truth, hit) == (1, 1)
    on_difficult = [result((50, 50, 70, 70), score) for score in (0.9, 0.8, 0.7)]
    assert ap(truth, hit + on_difficult) == (1, 1)
    assert ap(truth, [*hit, result((50, 0, 70, 20), 0.9)])[0] == pytest.approx(0.5)  # beside it: false


def test_iou_equal_to_the_threshold_counts():
    truth = [truth_of(1, [(0, 0, 10, 10)])]
    half = [result((0, 0, 10, 5), 0.9)]
    assert ap(truth, half, 0.5) == (1, 1)
    assert ap(truth, half, 0.5001) == (0, 0)


def test_equal_scores_keep_their_order():
    truth = [truth_of(1, [BOX])]
    hit, miss = result(BOX, 0.5), result((60, 60, 80, 80), 0.5)
    assert ap(truth, [hit, miss])[0] == 1
    assert ap(truth, [miss, hit])[0] == 0.5


def test_classes_without_boxes_are_left_out_of_the_mean():
    truth = [truth_of(1, [BOX, BOX], labels=[0, 1], ignore=[False, True])]
    scores = voc_scores(truth, [result(BOX, 0.9)], CATEGORIES)
    assert scores["AP"] == scores["AP50"] == scores["AP75"] == scores["AP_11point"] == 100
    assert scores["AP50/one"] == 100
    assert scores["AP50/two"] is None and scores["AP50/three"] is None
    nothing = voc_scores([truth_of(1)], [result(BOX, 0.9)], CATEGORIES)
    assert set(nothing.values()) == {None}


def test_scores_are_means_over_thresholds_in_percent():
    truth = [truth_of(1, [(0, 0, 100, 100)])]
    scores = voc_scores(truth, [result((0, 0, 100, 72), 0.9)], ONE)  # IoU .72: five of ten thresholds
    assert scores["AP"] == pytest.approx(50) and scores["AP_11point"] == pytest.approx(50)
    assert (scores["AP50"], scores["AP75"]) == (100, 0)
    assert (scores["AP50_11point"], scores["AP75_11point"]) == (100, 0)
    assert voc_scores(truth, [], ONE)["AP"] == 0


def test_scores_and_boxes_are_not_rounded():
    """detectron2 rounds scores to 3 decimals: the order below would be lost."""
    truth = [truth_of(1, [BOX])]
    assert ap(truth, [result((60, 60, 80, 80), 0.50001), result(BOX, 0.50002)])[0] == 1
