"""A COCO instances file, read strictly: what pycocotools or training would trip over later is named here."""

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triplehead.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageEntry:
    """One row of `images` with its training targets.

    `boxes` float32 [M, 4] xyxy in pixels inside the image, `labels` int64 [M]; no crowds, nothing degenerate.
    """

    image_id: int
    file_name: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Instances:
    """A checked file: `categories` are (id, name) sorted by id, a label is an index into them."""

    images: tuple[ImageEntry, ...]
    categories: tuple[tuple[int, str], ...]
    num_crowd: int
    num_degenerate: int


def read(path: Path, annotated: bool = True) -> Instances:
    """Read an instances JSON; without `annotated`, an image_info JSON, which has images and categories alone.

    Raises InputError, with the place in the file, for: no such file, broken JSON, a missing key or wrong
    type, ids that occur twice, an annotation of an unknown image or category, a bbox that is not four finite
    numbers with sides of at least 0. Boxes without an area inside their image are left out of the training
    targets; how many is logged once.
    """
    content = _load(path, annotated)
    categories = _categories(path, content)
    label_of = {number: label for label, (number, _) in enumerate(categories)}
    rows: dict[int, tuple[dict, list, list]] = {}
    for place, entry in _entries(path, content, "images"):
        image_id = _whole(path, place, entry, "id", 0)
        if image_id in rows:
            raise InputError(path, f"{place}.id {image_id} occurs twice")
        _text(path, place, entry, "file_name")
        _whole(path, place, entry, "height", 1)
        _whole(path, place, entry, "width", 1)
        rows[image_id] = (entry, [], [])
    seen: set[int] = set()
    num_crowd = num_degenerate = 0
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
        if crowd:
            num_crowd += 1
            continue
        image, boxes, labels = rows[image_id]
        x1, y1 = max(x, 0), max(y, 0)
        x2, y2 = min(x + width, image["width"]), min(y + height, image["height"])
        if x2 <= x1 or y2 <= y1:
            num_degenerate += 1
            continue
        boxes.append((x1, y1, x2, y2))
        labels.append(label_of[category_id])
    if num_degenerate:
        log.warning("%s: %d boxes without an area inside their image are not trained on", path, num_degenerate)
    images = tuple(
        ImageEntry(
            image_id,
            entry["file_name"],
            entry["height"],
            entry["width"],
            np.array(boxes, dtype=np.float32).reshape(-1, 4),
            np.array(labels, dtype=np.int64),
        )
        for image_id, (entry, boxes, labels) in rows.items()
    )
    return Instances(images, categories, num_crowd, num_degenerate)


def _load(path: Path, annotated: bool) -> dict:
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file, expected COCO annotations (JSON)") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        raise InputError(path, problem) from error
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
    if type(value) is not int or value < least:
        raise InputError(path, f"{place}.{key} is {value!r}, expected a whole number of at least {least}")
    return value


def _text(path: Path, place: str, entry: dict, key: str) -> str:
    value = _value(path, place, entry, key)
    if not isinstance(value, str) or not value:
        raise InputError(path, f"{place}.{key} is {value!r}, expected a text")
    return value


def _number(path: Path, place: str, entry: dict, key: str) -> float:
    value = _value(path, place, entry, key)
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise InputError(path, f"{place}.{key} is {value!r}, expected a finite number of at least 0")
    return value


def _bbox(path: Path, place: str, entry: dict) -> list[float]:
    box = _value(path, place, entry, "bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(type(value) in (int, float) for value in box):
        raise InputError(path, f"{place}.bbox is {box!r}, expected four numbers [x, y, width, height]")
    if not all(map(math.isfinite, box)):
        raise InputError(path, f"{place}.bbox is {box!r}, expected finite numbers")
    if box[2] < 0 or box[3] < 0:
        raise InputError(path, f"{place}.bbox is {box!r}: a side is negative")
    return box
