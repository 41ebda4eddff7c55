import numpy as np
import pytest
from tests.engine.protocol_references import iou
from tests.engine.protocol_scenes import CATEGORIES, random_scene, result, truth_of

from triplehead.analysis.quantiles import DEFINITION, MIN_SCORE, THRESHOLDS, prediction_ious, shares

BOX = (0, 0, 10, 10)


def ious(truth, results, **options):
    return prediction_ious(truth, results, CATEGORIES, **options).tolist()


def test_the_best_object_of_the_same_image_and_class_counts():
    truth = [truth_of(1, [BOX, (0, 0, 10, 8), (0, 0, 10, 9)], labels=[0, 0, 1]), truth_of(2)]
    results = [
        result((0, 0, 10, 8), 0.9),  # 1 with the second box, .8 with the first
        result((0, 0, 10, 9), 0.8),  # .9 with the first box: the third is of another class
        result(BOX, 0.7, image_id=2),  # no object in this image
        result(BOX, 0.7, category_id=5),  # none of this class
    ]
    assert ious(truth, results) == pytest.approx([1, 0.9, 0, 0])


def test_predictions_may_share_an_object():
    assert ious([truth_of(1, [BOX])], [result(BOX, 0.9), result(BOX, 0.8)]) == [1, 1]


def test_crowds_are_no_objects():
    truth = [truth_of(1, [BOX, (0, 0, 10, 5)], ignore=[True, False])]
    assert ious(truth, [result(BOX, 0.9)]) == [0.5]
    assert ious([truth_of(1, [BOX], ignore=[True])], [result(BOX, 0.9)]) == [0]


def test_scores_must_exceed_the_threshold():
    results = [result(BOX, 0.05), result(BOX, 0.050001), result(BOX, 0.9)]
    assert len(ious([truth_of(1, [BOX])], results)) == 2
    assert len(ious([truth_of(1, [BOX])], results, min_score=0)) == 3
    assert f"score above {MIN_SCORE}," in DEFINITION


def test_shares_by_hand():
    frame = shares(np.array([0.5, 0.72, 0.95, 0.2]))
    assert frame["threshold"].tolist() == list(THRESHOLDS)
    assert frame["share"].tolist() == [75, 50, 50, 50, 50, 25, 25, 25, 25, 25]  # an IoU at the threshold reaches it
    assert set(frame["n"]) == {4}


@pytest.mark.parametrize("seed", range(10))
def test_plain_python_agrees(seed):
    truth, results = random_scene(seed)
    place = {each.image_id: each for each in truth}
    labels = {number: label for label, (number, _) in enumerate(CATEGORIES)}
    expected = []
    for row in results:
        if row["score"] <= 0.3:
            continue
        x, y, width, height = row["bbox"]
        image, best = place[row["image_id"]], 0.0
        for box, label, skip in zip(image.boxes.tolist(), image.labels, image.ignore, strict=True):
            if label == labels[row["category_id"]] and not skip:
                best = max(best, iou((x, y, x + width, y + height), box))
        expected.append(best)
    found = prediction_ious(truth, results, CATEGORIES, min_score=0.3)
    assert found.tolist() == expected
    for _, line in shares(found).iterrows():
        assert line["share"] == 100 * (sum(value >= line["threshold"] for value in expected) / len(expected))


def test_a_run_without_predictions_has_no_share():
    nothing = shares(np.zeros(0))
    assert nothing["share"].isna().all() and set(nothing["n"]) == {0}
