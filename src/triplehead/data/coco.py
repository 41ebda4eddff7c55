"""COCO's layout, a folder of images and an instances JSON, read strictly: what pycocotools or training would trip
over later is named here."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from triplehead.data.dataset import Content, DetectionDataset, ImageEntry, image_entry
from triplehead.data.files import LARGEST, leaves, read_text
from triplehead.data.truth import ImageTruth
from triplehead.errors import InputError, shown

log = logging.getLogger(__name__)
LONGEST = 4096  # characters of a file name; Linux opens no longer path


class CocoDataset(DetectionDataset):
    """A folder of images and its instances JSON.

    Crowd boxes and boxes without an area inside the image are no training targets (COCO's own evaluation reads the
    JSON itself, crowds included). Attributes besides the common ones: `num_crowd`, `num_degenerate`.
    Without `annotated` the file is an image_info JSON (test-dev): images to predict on, none with boxes.
    Raises InputError as `read` does.
    """

    def __init__(self, images: Path, annotations: Path, cache: bool = False, annotated: bool = True):
        super().__init__(images, annotations, read(Path(annotations), annotated), cache)
        self.num_crowd, self.num_degenerate = self.counts["num_crowd"], self.counts["num_degenerate"]


def read(path: Path, annotated: bool = True) -> Content:
    """Read an instances JSON; without `annotated`, an image_info JSON, which has images and categories alone.

    Raises InputError, with the place in the file, for: no such file, broken JSON, a missing key or wrong
    type, keys or ids that occur twice, a file name that leads out of the folder of images, an annotation of an unknown
    image or category, a bbox that is not four finite numbers with sides of at least 0. Categories are sorted by id.
    Boxes without an area inside their image are left out of the training targets; how many is logged once.
    """
    content = _load(path, annotated)
    categories = _categories(path, content)
    label_of = {number: label for label, (number, _) in enumerate(categories)}
    rows: dict[int, tuple[dict, list, list, list]] = {}
    for place, entry in _entries(path, content, "images"):
        image_id = _whole(path, place, entry, "id", 0)
        if image_id in rows:
            raise InputError(path, f"{place}.id {image_id} occurs twice")
        _file_name(path, place, entry)
        _whole(path, place, entry, "height", 1)
        _whole(path, place, entry, "width", 1)
        rows[image_id] = (entry, [], [], [])
    seen: set[int] = set()
    for place, entry in _entries(path, content, "annotations"):
        number = _whole(path, place, entry, "id", 1)  # pycocotools takes a match with id 0 for no match
        if number in seen:
            raise InputError(path, f"{place}.id {number} occurs twice")
        seen.add(number)
        image_id = _whole(path, place, entry, "image_id", 0)
        if image_id not in rows:
            raise InputError(path, f"{place}.image_id {image_id} is not the id of an image")
        category_id = _whole(path, place, entry, "category_id", 0)
        if category_id not in label_of:
            raise InputError(path, f"{place}.category_id {category_id} is not the id of a category")
        x, y, width, height = _bbox(path, place, entry)
        _number(path, place, entry, "area")
        crowd = _whole(path, place, entry, "iscrowd", 0)
        if crowd > 1:
            raise InputError(path, f"{place}.iscrowd is {crowd}, expected 0 or 1")
        _, boxes, labels, crowds = rows[image_id]
        boxes.append((x, y, x + width, y + height))
        labels.append(label_of[category_id])
        crowds.append(bool(crowd))
    entries = tuple(_image_entry(path, *row) for row in rows.values())
    num_crowd = sum(int(entry.truth.ignore.sum()) for entry in entries)
    num_degenerate = len(seen) - num_crowd - sum(len(entry.boxes) for entry in entries)
    if num_degenerate:
        log.warning("%s: %d boxes without an area inside their image are not trained on", path, num_degenerate)
    return Content(entries, categories, (path,), {"num_crowd": num_crowd, "num_degenerate": num_degenerate})


def _image_entry(path: Path, image: dict, boxes: list, labels: list, crowds: list) -> ImageEntry:
    crowd = np.array(crowds, dtype=bool)
    truth = ImageTruth(
        image["id"],
        image["height"],
        image["width"],
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array(labels, dtype=np.int64),
        ignore=crowd,
        regions=np.zeros((0, 4)),
    )
    return image_entry(image["file_name"], path, truth, ~crowd)


def _load(path: Path, annotated: bool) -> dict:
    def once(pairs: list[tuple[str, Any]]) -> dict:
        values = dict(pairs)
        if len(values) < len(pairs):
            twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            which = f" (id {shown(values['id'])})" if "id" in values else ""
            raise InputError(path, f"key {shown(twice)} is given twice in one object{which}")
        return values

    try:
        content = json.loads(read_text(path, "COCO annotations (JSON)"), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        raise InputError(path, problem) from error
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets a thousand deep
        raise InputError(path, "is not valid JSON (a number too long, or nested too deep)") from None
    if not isinstance(content, dict):
        raise InputError(path, "expected an object with images, annotations and categories")
    if not annotated:
        content["annotations"] = []
    for key in ("images", "annotations", "categories"):
        if key not in content:
            raise InputError(path, f"key {key!r} is missing")
        if not isinstance(content[key], list):
            raise InputError(path, f"{key} must be a list")
    return content


def _categories(path: Path, content: dict) -> tuple[tuple[int, str], ...]:
    names: dict[int, str] = {}
    for place, entry in _entries(path, content, "categories"):
        number = _whole(path, place, entry, "id", 0)
        if number in names:
            raise InputError(path, f"{place}.id {number} occurs twice")
        names[number] = _text(path, place, entry, "name")
    if not names:
        raise InputError(path, "categories is empty")
    return tuple(sorted(names.items()))


def _entries(path: Path, content: dict, key: str):
    for index, entry in enumerate(content[key]):
        place = f"{key}[{index}]"
        if not isinstance(entry, dict):
            raise InputError(path, f"{place} must be an object")
        yield place, entry


def _value(path: Path, place: str, entry: dict, key: str) -> Any:
    if key not in entry:
        raise InputError(path, f"{place}: key {key!r} is missing")
    return entry[key]


def _whole(path: Path, place: str, entry: dict, key: str, least: int) -> int:
    value = _value(path, place, entry, key)
    if type(value) is not int or not least <= value <= LARGEST:
        raise InputError(path, f"{place}.{key} is {shown(value)}, expected a whole number of at least {least}")
    return value


def _text(path: Path, place: str, entry: dict, key: str) -> str:
    value = _value(path, place, entry, key)
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise InputError(path, f"{place}.{key} is {shown(value)}, expected a text")
    return value


def _file_name(path: Path, place: str, entry: dict) -> None:
    name = _text(path, place, entry, "file_name")
    if leaves(name) or len(name) > LONGEST:
        raise InputError(path, f"{place}.file_name is {shown(name)}, expected a path below the folder of images")


def _number(path: Path, place: str, entry: dict, key: str) -> float:
    value = _value(path, place, entry, key)
    if type(value) not in (int, float) or not 0 <= value <= LARGEST:
        raise InputError(path, f"{place}.{key} is {shown(value)}, expected a finite number of at least 0")
    return value


def _bbox(path: Path, place: str, entry: dict) -> list[float]:
    box = _value(path, place, entry, "bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
        raise InputError(path, f"{place}.bbox is {shown(box)}, expected four numbers [x, y, width, height]")
    if not all(-LARGEST <= value <= LARGEST for value in box):
        raise InputError(path, f"{place}.bbox is {shown(box)}, expected finite numbers")
    if box[2] < 0 or box[3] < 0:
        raise InputError(path, f"{place}.bbox is {shown(box)}: a side is negative")
    return box
