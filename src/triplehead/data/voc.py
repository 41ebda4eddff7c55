"""The VOC devkit's layout, read strictly: VOC<year>/{ImageSets/Main/<set>.txt, Annotations/*.xml, JPEGImages/*.jpg}."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

import numpy as np

from triplehead.data import safe_xml as xml
from triplehead.data.dataset import Content, DetectionDataset, image_entry
from triplehead.data.files import read_lines
from triplehead.data.truth import ImageTruth
from triplehead.errors import InputError, shown

log = logging.getLogger(__name__)

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_LARGEST_SIDE = 1_000_000  # pixels
_NAME = re.compile(r"[\w.-]+", re.ASCII)

Difficult = Literal["keep", "drop"]


class VocDataset(DetectionDataset):
    """Image sets of a devkit; a set is `<year's folder>/<list>`, for example VOC2007/trainval.

    Images are numbered from 1 in the lists' order; category ids are 1 to the number of `classes`. Difficult objects
    are ignored in evaluation and, unless `difficult` is "keep", no training targets. Raises InputError as `read` does.
    """

    def __init__(
        self,
        devkit: Path,
        sets: Sequence[str],
        classes: Sequence[str] = CLASSES,
        difficult: Difficult = "drop",
        cache: bool = False,
    ):
        super().__init__(devkit, devkit, read(Path(devkit), sets, classes, difficult), cache)


def read(devkit: Path, sets: Sequence[str], classes: Sequence[str] = CLASSES, difficult: Difficult = "drop") -> Content:
    """Read all images of `sets`.

    Raises InputError, with file and place, for: a set's file that is missing, empty or has a line that is not one
    image name; a name that is listed twice, in whatever set; an annotation that is missing, broken, too large or has
    a DOCTYPE; a size that is missing or zero; an object without one known name and one box of four finite numbers
    whose lower edges do not exceed the upper ones. Boxes without an area inside their image are left out of the
    training targets; how many is logged once.
    """
    labels = {name: label for label, name in enumerate(classes)}
    listed: dict[str, str] = {}  # image: its year's folder
    files: list[Path] = []
    for each in sets:
        year, _, name = each.partition("/")
        files.append(devkit / year / "ImageSets" / "Main" / f"{name}.txt")
        for image in _names(files[-1]):
            if image in listed:
                raise InputError(files[-1], f"{image} is listed twice (before in {listed[image]})")
            listed[image] = year
    entries = []
    num_difficult = num_degenerate = 0
    for image_id, (image, year) in enumerate(listed.items(), 1):
        file = devkit / year / "Annotations" / f"{image}.xml"
        truth = read_annotation(file, image_id, labels)
        trained = ~truth.ignore if difficult == "drop" else np.ones(len(truth.labels), dtype=bool)
        entries.append(image_entry(f"{year}/JPEGImages/{image}.jpg", file, truth, trained))
        num_difficult += int(truth.ignore.sum())
        num_degenerate += int(trained.sum()) - len(entries[-1].boxes)
    if num_degenerate:
        log.warning("%s: %d boxes without an area inside their image are not trained on", devkit, num_degenerate)
    files += [entry.source for entry in entries]
    counts = {"num_difficult": num_difficult, "num_degenerate": num_degenerate}
    return Content(tuple(entries), tuple(enumerate(classes, 1)), tuple(files), counts)


def read_annotation(path: Path, image_id: int, labels: dict[str, int]) -> ImageTruth:
    """One XML file. Only direct children of an object count: its <part>s have names and boxes of their own, and an
    <owner> has a name. A missing <difficult> is 0. Coordinates may be fractions."""
    root = xml.parse(path, "the annotation of a listed image (XML)")
    if root.tag != "annotation":
        raise InputError(path, f"its root is <{shown(root.tag)[1:-1]}>, expected <annotation>")
    size = xml.child(path, "annotation", root, "size")
    width, height = (xml.whole(path, "size", size, side, 1, _LARGEST_SIDE) for side in ("width", "height"))
    boxes, found, difficult = [], [], []
    for index, each in enumerate(root.findall("object")):
        name = xml.text(path, f"object {index}", each, "name")
        if name not in labels:
            raise InputError(path, f"object {index}: unknown class {shown(name)}, expected {', '.join(labels)}")
        place = f"object {index} ({name})"
        boxes.append(_box(path, place, each))
        found.append(labels[name])
        flagged = each.find("difficult") is not None and xml.whole(path, place, each, "difficult", 0, 1)
        difficult.append(bool(flagged))
    return ImageTruth(
        image_id,
        height,
        width,
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
        np.array(found, dtype=np.int64),
        ignore=np.array(difficult, dtype=bool),
        regions=np.zeros((0, 4)),
    )


def _box(path: Path, place: str, entry: Element) -> tuple[float, float, float, float]:
    """Continuous edges of an object whose corners are given as 1-based pixels, both inside."""
    corners = xml.child(path, place, entry, "bndbox")
    x1, y1, x2, y2 = (xml.number(path, place, corners, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    for axis, low, high in (("x", x1, x2), ("y", y1, y2)):
        if high < low:
            raise InputError(path, f"{place}: <{axis}max> {high:g} lies below <{axis}min> {low:g}")
    return x1 - 1, y1 - 1, x2, y2


def _names(path: Path) -> list[str]:
    """The images that a set's file lists, one a line."""
    lines = read_lines(path, "an image set")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(path, "is empty, expected the names of images, one a line")
    for number, line in enumerate(lines, 1):
        if not _NAME.fullmatch(line.strip()):
            raise InputError(path, f"line {number} is {shown(line)}, expected the name of an image")
    return [line.strip() for line in lines]
