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


def random_coco(seed, images=40, classes=4):
    """-> (annotations, results): crowds, empty images, objects outside each size, scores that tie between images."""
    generator = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        for _ in range(int(generator.integers(0, 6))):
            x, y, w, h = (float(side) for side in generator.integers(1, 50, 4))
            category = int(generator.integers(1, classes))  # the last class has no object
            crowd = int(generator.random() < 0.1)
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": category, "area": w * h,
                                "bbox": [x, y, w, h], "iscrowd": crowd})  # fmt: skip
            for _ in range(int(generator.integers(0, 3))):
                shift = generator.normal(0, 3, 4)
                box = [x + shift[0], y + shift[1], max(1.0, w + shift[2]), max(1.0, h + shift[3])]
                wrong = generator.random() < 0.2
                label = int(generator.integers(1, classes + 1)) if wrong else category
                results.append({"image_id": image, "category_id": label, "bbox": box})
    for image in range(1, images + 1):  # in one image no two are alike: `resampled_scores` has a rule for their copies
        own = [row for row in results if row["image_id"] == image]
        for row, score in zip(own, generator.choice(30, len(own), replace=False), strict=True):
            row["score"] = float(score) / 30
    content = {
        "images": [{"id": image, "width": 100, "height": 100} for image in range(1, images + 1)],
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
        "annotations": annotations,
    }
    return content, results
