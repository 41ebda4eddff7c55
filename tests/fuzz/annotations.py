"""Annotations read in the plainest way, and written anew from what the readers made of them."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from triplehead.data.dataset import Content
from triplehead.data.truth import ImageTruth

Row = tuple[list[float], int, bool]  # box xyxy, label, flag


def assert_reads(truth: ImageTruth, height: int, width: int, rows: list[Row]) -> None:
    """That these are the truth's size and objects, to the bit."""
    assert (truth.height, truth.width) == (height, width)
    assert truth.boxes.dtype == np.float64 and truth.boxes.tolist() == [list(box) for box, _, _ in rows]
    assert truth.labels.tolist() == [label for _, label, _ in rows]
    assert truth.ignore.tolist() == [flag for _, _, flag in rows]
    assert truth.regions.shape == (0, 4)


def assert_same(one: ImageTruth, other: ImageTruth) -> None:
    """That they are the same up to the rounding of a box's sides."""
    bare = [replace(each, boxes=np.zeros((0, 4))) for each in (one, other)]
    assert repr(bare[0]) == repr(bare[1])
    largest = np.abs(one.boxes).max(axis=1, keepdims=True, initial=1)
    assert one.boxes.shape == other.boxes.shape
    assert (np.abs(one.boxes - other.boxes) <= 4 * np.finfo(float).eps * largest).all()


def coco_rows(content: dict) -> dict[int, list[Row]]:
    """The objects of each image's id in an instances file."""
    numbers = sorted(category["id"] for category in content["categories"])
    rows: dict[int, list[Row]] = {image["id"]: [] for image in content["images"]}
    for each in content["annotations"]:
        x, y, width, height = each["bbox"]
        box = [float(x), float(y), float(x + width), float(y + height)]
        rows[each["image_id"]].append((box, numbers.index(each["category_id"]), each["iscrowd"] == 1))
    return rows


def coco_text(content: Content) -> str:
    """An instances file of what was read."""
    objects = [
        (entry.image_id, box, content.categories[label][0], int(crowd))
        for entry in content.entries
        for box, label, crowd in zip(entry.truth.boxes.tolist(), entry.truth.labels, entry.truth.ignore, strict=True)
    ]
    annotations = [
        {"id": n, "image_id": i, "category_id": c, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": 0, "iscrowd": crowd}
        for n, (i, (x1, y1, x2, y2), c, crowd) in enumerate(objects, 1)
    ]
    images = [
        {"id": entry.image_id, "file_name": entry.file_name, "height": entry.height, "width": entry.width}
        for entry in content.entries
    ]
    categories = [{"id": number, "name": name} for number, name in content.categories]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def trained_rows(height: int, width: int, rows: list[Row]) -> list[Row]:
    """Those to train on: clipped to the image, without the flagged and what has no area left."""
    clipped = []
    for box, label, flag in rows:
        x1, x2 = (min(max(value, 0.0), float(width)) for value in box[::2])
        y1, y2 = (min(max(value, 0.0), float(height)) for value in box[1::2])
        if x2 > x1 and y2 > y1 and not flag:
            clipped.append(([x1, y1, x2, y2], label, False))
    return clipped


def voc_rows(text: str, labels: dict[str, int]) -> tuple[int, int, list[Row]]:
    """Height, width and objects of an annotation."""
    root = ElementTree.fromstring(text)
    rows = []
    for each in root.findall("object"):
        x1, y1, x2, y2 = (float(each.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin", "xmax", "ymax"))
        flag = int(each.findtext("difficult", "0")) == 1
        rows.append(([x1 - 1, y1 - 1, x2, y2], labels[each.findtext("name").strip()], flag))
    return int(root.findtext("size/height")), int(root.findtext("size/width")), rows


def voc_text(truth: ImageTruth, labels: dict[str, int]) -> str:
    """An annotation of what was read."""
    names, objects = list(labels), ""
    for (x1, y1, x2, y2), label, flag in zip(truth.boxes.tolist(), truth.labels, truth.ignore, strict=True):
        x1, y1 = min(x1 + 1, x2), min(y1 + 1, y2)  # 0.3 - 1 + 1 lies above 0.3
        box = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        objects += (
            f"<object><name>{names[label]}</name><difficult>{int(flag)}</difficult><bndbox>{box}</bndbox></object>"
        )
    size = f"<size><width>{truth.width}</width><height>{truth.height}</height></size>"
    return f"<annotation>{size}{objects}</annotation>"
