"""COCO's matching, worked out by hand, and against pycocotools' counts; the threshold against a plain loop."""

import math

import numpy as np
import pytest

from triplehead.analysis.figures.matching import FALSE, IGNORED, best_threshold, match
from triplehead.data.results import Detections
from triplehead.data.truth import ImageTruth


def image(boxes, labels, ignore=None, image_id=1):
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    ignore = np.zeros(len(boxes), bool) if ignore is None else np.array(ignore)
    return ImageTruth(image_id, 100, 100, boxes, np.array(labels, dtype=int), ignore, np.zeros((0, 4)))


def found(*rows):
    """(image, label, box), best first."""
    boxes = np.array([row[2] for row in rows], dtype=float).reshape(-1, 4)
    image, label = (np.array([row[i] for row in rows], dtype=int) for i in (0, 1))
    return Detections(image, label, boxes, np.linspace(0.9, 0.1, len(rows)))


BOX, BESIDE, FAR = (0, 0, 10, 10), (2, 0, 12, 10), (50, 50, 60, 60)  # IoU of the first two: 8 / 12


@pytest.mark.parametrize(
    ("truth", "rows", "expected"),
    [
        ([image([BOX], [3])], [(0, 3, BOX)], [0]),
        ([image([BOX], [3])], [(0, 4, BOX)], [FALSE]),  # another class
        ([image([BOX], [3])], [(0, 3, FAR)], [FALSE]),
        ([image([BOX], [3])], [(0, 3, BESIDE), (0, 3, BOX)], [0, FALSE]),  # the better score, not the better box
        ([image([BOX, BESIDE], [3, 3])], [(0, 3, BOX), (0, 3, BOX)], [0, 1]),  # the second takes what is left
        ([image([BOX, BESIDE], [3, 3])], [(0, 3, BESIDE)], [1]),
        ([image([BOX, FAR], [3, 3], [True, False])], [(0, 3, BOX), (0, 3, BOX), (0, 3, FAR)], [IGNORED, IGNORED, 1]),
        ([image([BOX, BOX], [3, 3], [True, False])], [(0, 3, BOX), (0, 3, BOX)], [1, IGNORED]),
        ([image([BOX], [3], [True])], [(0, 3, (0, 0, 2, 2))], [IGNORED]),  # a part of a crowd
        ([image([], []), image([BOX], [3], image_id=2)], [(0, 3, BOX), (1, 3, BOX)], [FALSE, 0]),
        ([image([BOX], [3])], [], []),
        ([image([(0, 0, 10, 10)], [3])], [(0, 3, (0, 0, 10, 5))], [0]),  # IoU of exactly 0.5 is enough
    ],
)
def test_match(truth, rows, expected):
    assert match(truth, found(*rows)).tolist() == expected


def test_the_threshold_has_the_highest_f1():
    generator = np.random.default_rng(0)
    for _ in range(50):
        count, objects = generator.integers(1, 40), 20
        scores = np.sort(generator.random(count))[::-1]
        matched = generator.choice([0, FALSE, IGNORED], count, p=[0.4, 0.5, 0.1])
        matched[matched >= 0] = np.arange((matched >= 0).sum())

        def f1(threshold, scores=scores, matched=matched, objects=objects):
            shown = matched[(scores >= threshold) & (matched != IGNORED)]
            return 2 * (shown >= 0).sum() / max(len(shown) + objects, 1)

        assert f1(best_threshold(scores, matched, objects)) == max(map(f1, scores))


def test_nothing_found_shows_nothing():
    assert best_threshold(np.zeros(0), np.zeros(0, int), 5) == math.inf
