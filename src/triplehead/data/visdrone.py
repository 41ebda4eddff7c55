"""VisDrone's layout, a folder with images/*.jpg and annotations/*.txt, read strictly."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from triplehead.data.dataset import Content, DetectionDataset, ImageEntry, image_entry
from triplehead.data.files import decimal, first_of, read_lines
from triplehead.data.images import size_of
from triplehead.data.truth import ImageTruth
from triplehead.errors import InputError, shown

log = logging.getLogger(__name__)

CLASSES = (
    "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus", "motor",
)  # fmt: skip
REGION, OTHERS = 0, 11  # categories that are no classes; those are 1 to 10
FIELDS = ("left", "top", "width", "height", "score", "category", "truncation", "occlusion")


class VisDroneDataset(DetectionDataset):
    """The images of a split in the order of their names, numbered from 1; category ids are VisDrone's, 1 to 10.

    Trained on: objects of score 1 of the ten classes. Evaluation ignores those of score 0 and whatever lies in an
    ignored region (category 0). "Others" (category 11) is no class: neither trained on nor evaluated. Nothing in an
    image is masked in training: an unlabelled object in an ignored region is background there.
    Raises InputError as `read` does.
    """

    def __init__(self, folder: Path, classes: Sequence[str] = CLASSES, cache: bool = False):
        folder = Path(folder)
        super().__init__(folder / "images", folder / "annotations", read(folder, classes), cache)


def read(folder: Path, classes: Sequence[str] = CLASSES) -> Content:
    """Read all images below `folder`; their sizes stand in the image files' headers.

    Raises InputError, with file and line, for: a folder that is missing, an image without annotations, annotations
    without an image, an image that is none, a row that is not eight finite numbers (a comma may follow), a negative
    side, a score other than 0 and 1, a category outside 0 to 11. An empty file is an image without objects. Objects
    without an area inside their image are left out of the training targets; how many is logged once.
    """
    images, annotations = folder / "images", folder / "annotations"
    entries: list[ImageEntry] = []
    counts = dict.fromkeys(("num_ignored", "num_regions", "num_others", "num_degenerate"), 0)
    for image_id, name in enumerate(_names(images, annotations), 1):
        file = annotations / f"{name}.txt"
        rows = read_rows(file)
        truth = image_truth(rows, image_id, *size_of(images / f"{name}.jpg"))
        entries.append(image_entry(f"{name}.jpg", file, truth, ~truth.ignore))
        counts["num_ignored"] += int(truth.ignore.sum())
        counts["num_regions"] += len(truth.regions)
        counts["num_others"] += int((rows[:, 5] == OTHERS).sum())
        counts["num_degenerate"] += int((~truth.ignore).sum()) - len(entries[-1].boxes)
    if counts["num_degenerate"]:
        problem = "%s: %d objects without an area inside their image are not trained on"
        log.warning(problem, annotations, counts["num_degenerate"])
    return Content(tuple(entries), tuple(enumerate(classes, 1)), tuple(entry.source for entry in entries), counts)


def read_rows(path: Path) -> np.ndarray:
    """The rows of one file: float64 [N, 8], columns as in `FIELDS`. Raises InputError as `read` does."""
    rows = []
    for line, row in enumerate(read_lines(path, "annotations of an image (VisDrone)"), 1):
        if row.strip():
            rows.append(_row(path, f"line {line}", row.strip().removesuffix(",").split(",")))
    return np.array(rows, dtype=np.float64).reshape(-1, len(FIELDS))


def image_truth(rows: np.ndarray, image_id: int, height: int, width: int) -> ImageTruth:
    """What the rows of `read_rows` say of an image. Objects without an area stay: VisDrone's own evaluation counts
    them as missed."""
    boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
    category = rows[:, 5].astype(np.int64)
    objects = (category != REGION) & (category != OTHERS)
    return ImageTruth(
        image_id,
        height,
        width,
        boxes[objects],
        category[objects] - 1,
        ignore=rows[objects, 4] == 0,
        regions=boxes[category == REGION],
    )


def _row(path: Path, place: str, fields: list[str]) -> list[float]:
    if len(fields) != len(FIELDS):
        raise InputError(path, f"{place} has {len(fields)} fields, expected {','.join(FIELDS)}")
    values = []
    for name, text in zip(FIELDS, fields, strict=True):
        if (value := decimal(text.strip())) is None:
            raise InputError(path, f"{place}: {name} is {shown(text)}, expected a finite number, at most 2**53 from 0")
        values.append(value)
    for index in (2, 3):
        if values[index] < 0:
            raise InputError(path, f"{place}: {FIELDS[index]} is {values[index]:g}, expected at least 0")
    if values[4] not in (0, 1):
        raise InputError(path, f"{place}: score is {values[4]:g}, expected 0 or 1")
    if values[5] not in range(OTHERS + 1):
        raise InputError(path, f"{place}: category is {values[5]:g}, expected 0 to {OTHERS}")
    return values


def _names(images: Path, annotations: Path) -> list[str]:
    """Names of the images, sorted; each has its annotations, and none are left over."""
    found, described = _stems(images, ".jpg", "images"), _stems(annotations, ".txt", "annotations")
    if lost := sorted(found - described):
        raise InputError(annotations / f"{lost[0]}.txt", f"no such file{first_of(lost)}, but the image is there")
    if lost := sorted(described - found):
        raise InputError(images / f"{lost[0]}.jpg", f"no such file{first_of(lost)}, but its annotations are there")
    return sorted(found)


def _stems(folder: Path, suffix: str, expected: str) -> set[str]:
    if not folder.is_dir():
        raise InputError(folder, f"no such folder, expected the {expected}")
    return {file.stem for file in folder.iterdir() if file.suffix == suffix and not file.name.startswith(".")}
