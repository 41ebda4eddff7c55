import numpy as np
import pytest

from triplehead.data.results import detections, true_boxes
from triplehead.data.truth import ImageTruth


def image(image_id: int, labels=()) -> ImageTruth:
    boxes = np.array([[index, 0, index + 4, 4] for index in range(len(labels))], dtype=float).reshape(-1, 4)
    ignore = np.zeros(len(labels), dtype=bool)
    return ImageTruth(image_id, 9, 9, boxes, np.array(labels, dtype=np.int64), ignore, np.zeros((0, 4)))


TRUTH = [image(70, [1, 0]), image(30), image(50, [1])]
CATEGORIES = [(3, "cat"), (8, "dog")]


def row(image_id, category_id, score, bbox=(1, 2, 3, 4)):
    return {"image_id": image_id, "category_id": category_id, "bbox": list(bbox), "score": score}


def test_ids_become_indices_and_sides_become_edges():
    found = detections([row(50, 8, 0.5), row(70, 3, 0.9), row(70, 3, 0.5)], TRUTH, CATEGORIES)
    assert found.image.tolist() == [2, 0, 0] and found.label.tolist() == [1, 0, 0]
    assert found.boxes[0].tolist() == [1, 2, 4, 6]
    assert {key: group.tolist() for key, group in found.groups().items()} == {(2, 1): [0], (0, 0): [1, 2]}
    best = found.best_first()
    assert best.scores.tolist() == [0.9, 0.5, 0.5] and best.image.tolist() == [0, 2, 0]  # equal ones keep their order


def test_true_boxes_of_all_images():
    real, ignore = true_boxes(TRUTH)
    assert real.image.tolist() == [0, 0, 2] and real.label.tolist() == [1, 0, 1] and len(ignore) == 3
    assert {key: group.tolist() for key, group in real.groups().items()} == {(0, 1): [0], (0, 0): [1], (2, 1): [2]}


def test_nothing_at_all():
    assert detections([], TRUTH, CATEGORIES).groups() == {} and detections([], TRUTH, CATEGORIES).boxes.shape == (0, 4)
    real, ignore = true_boxes([])
    assert real.groups() == {} and real.boxes.shape == (0, 4) and ignore.shape == (0,)


@pytest.mark.parametrize("wrong", [row(71, 3, 0.5), row(70, 4, 0.5)])
def test_a_detection_of_nothing_known_is_refused(wrong):
    with pytest.raises(ValueError, match="which the ground truth lacks"):
        detections([wrong], TRUTH, CATEGORIES)
