"""Detections in COCO's results format as arrays, and how they are grouped for matching."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from triplehead.data.truth import ImageTruth

Groups = dict[tuple[int, int], np.ndarray]  # (image, label) -> indices, in their order


@dataclass(frozen=True)
class Boxes:
    """Boxes of many images, in order: image int64 [N] and label int64 [N] are indices, boxes float64 [N, 4] xyxy."""

    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray

    def groups(self) -> Groups:
        """The boxes of each image and class that has any."""
        if not len(self.image):
            return {}
        key = self.image * (self.label.max() + 1) + self.label
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        return {(int(self.image[part[0]]), int(self.label[part[0]])): part for part in np.split(order, starts[1:])}


@dataclass(frozen=True)
class Detections(Boxes):
    """With scores float64 [N]."""

    scores: np.ndarray

    def best_first(self) -> "Detections":
        """By falling score; equal scores stay in their order."""
        return self.select(np.argsort(-self.scores, kind="stable"))

    def select(self, which: np.ndarray) -> "Detections":
        """Those that a mask or indices name."""
        return Detections(self.image[which], self.label[which], self.boxes[which], self.scores[which])


def detections(results: list[dict], truth: Sequence[ImageTruth], categories: Sequence[tuple[int, str]]) -> Detections:
    """COCO's results (image_id, category_id, bbox xywh, score) with images as indices into `truth` and labels into
    `categories` (id, name). Raises ValueError for an image or category that is not there."""
    image_of = {image.image_id: index for index, image in enumerate(truth)}
    label_of = {number: label for label, (number, _) in enumerate(categories)}
    try:
        image = np.array([image_of[row["image_id"]] for row in results], dtype=np.int64)
        label = np.array([label_of[row["category_id"]] for row in results], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"a detection names image or category {error}, which the ground truth lacks") from None
    boxes = np.array([row["bbox"] for row in results], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Detections(image, label, boxes, np.array([row["score"] for row in results], dtype=np.float64))


def true_boxes(truth: Sequence[ImageTruth]) -> tuple[Boxes, np.ndarray]:
    """All true boxes, image by image, and which are ignored: bool [N]."""
    image = np.repeat(np.arange(len(truth)), [len(each.boxes) for each in truth])
    empty = ImageTruth(0, 0, 0, np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros((0, 4)))
    parts = [*truth, empty]  # so that there is something to join
    label = np.concatenate([each.labels for each in parts])
    boxes = np.concatenate([each.boxes for each in parts])
    return Boxes(image.astype(np.int64), label, boxes), np.concatenate([each.ignore for each in parts])
