"""Random ground truth and detections for tests of the protocols: small whole numbers, so that IoUs tie."""

import numpy as np

from triplehead.data.truth import ImageTruth

CATEGORIES = [(1, "one"), (2, "two"), (5, "three"), (7, "four")]
CENT = 100


def truth_of(image_id=1, boxes=(), labels=None, ignore=None, regions=(), size=CENT) -> ImageTruth:
    boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels, np.int64)
    ignore = np.zeros(len(boxes), bool) if ignore is None else np.array(ignore, bool)
    return ImageTruth(image_id, size, size, boxes, labels, ignore, np.array(regions, np.float64).reshape(-1, 4))


def result(box, score, image_id=1, category_id=1) -> dict:
    x1, y1, x2, y2 = (float(side) for side in box)
    return {"image_id": image_id, "category_id": category_id, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}


def random_scene(seed: int, images: int = 6, most: int = 12, with_regions: bool = False):
    """-> (truth, results): some images empty, the last class in no image, scores in steps of 1/20, so that they tie."""
    generator = np.random.default_rng(seed)
    truth, results = [], []
    for index in range(images):
        count = int(generator.integers(0, most)) if index else 0
        boxes = _boxes(generator, count)
        regions = _boxes(generator, int(generator.integers(0, 4)), least=20) if with_regions else ()
        labels, ignore = generator.integers(0, len(CATEGORIES) - 1, count), generator.random(count) < 0.25
        truth.append(truth_of(10 * index + 3, boxes, labels, ignore, regions))
        near = np.repeat(boxes, 2, axis=0) + generator.integers(-3, 4, (2 * count, 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        for box, label in zip(near, np.repeat(labels, 2), strict=True):
            other = generator.random() < 0.15
            label = int(generator.integers(0, len(CATEGORIES))) if other else int(label)
            results.append(result(box, int(generator.integers(1, 20)) / 20, truth[-1].image_id, CATEGORIES[label][0]))
        for box in _boxes(generator, int(generator.integers(0, 6))):
            results.append(result(box, int(generator.integers(1, 20)) / 20, truth[-1].image_id, CATEGORIES[0][0]))
    order = generator.permutation(len(results))
    return truth, [results[index] for index in order]


def _boxes(generator: np.random.Generator, count: int, least: int = 8) -> np.ndarray:
    corner = generator.integers(0, CENT - 40, (count, 2))
    return np.concatenate([corner, corner + generator.integers(least, 40, (count, 2))], axis=1)
