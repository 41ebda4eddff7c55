"""The same validation images under several detectors: ground truth and what each one found."""

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from triplehead.errors import InputError
from triplehead.plan.plan import Plan
from triplehead.report.figures import WIDTH, save, style

THRESHOLD = 0.3  # detections below it are not drawn
COLUMNS = 4
FEWEST_OBJECTS = 3  # the first images with so many are shown: chosen before any detector ran


@dataclass(frozen=True)
class Truth:
    """A validation split: images and their boxes (x, y, width, height in pixels, category id)."""

    folder: Path
    files: dict[int, str]
    boxes: dict[int, list[tuple[list[float], int]]]
    names: dict[int, str]

    def chosen(self) -> list[int]:
        """The first images, by id, with enough objects; filled up with others where there are too few."""
        ids = sorted(self.files)
        rich = [image for image in ids if len(self.boxes[image]) >= FEWEST_OBJECTS]
        return (rich + [image for image in ids if image not in rich])[:COLUMNS]


def detections_figure(
    plan: Plan,
    results: Path,
    out: Path,
    exhibit: str = "table5",
    labels: tuple[str, ...] = ("FCOS", "JLA", "All"),
) -> Path:
    """Four validation images, a row for each label: ground truth dashed, detections above 0.3 in colour.

    Reads the manifest in `results`/data/<id> and, of each row's first seed, detections.json.gz.
    Raises InputError for a label the exhibit lacks and for a file that is missing or broken.
    """
    if unknown := [label for label in labels if (exhibit, label) not in plan.specs]:
        raise InputError(exhibit, f"no run has the label {unknown[0]!r}")
    specs = {label: plan.specs[exhibit, label][0] for label in labels}
    found = {
        label: read_detections(results / "runs" / spec.id / "detections.json.gz")
        for label, spec in specs.items()
    }
    truth = read_truth(results / "data" / next(iter(specs.values())).data_id)
    chosen = truth.chosen()
    pixels = [_image(truth.folder / truth.files[image]) for image in chosen]
    ratio = max(height / width for height, width in (image.shape[:2] for image in pixels))
    side = (WIDTH - 0.2) / COLUMNS  # what the labels at the left leave
    with style():
        figure = Figure(figsize=(WIDTH, len(labels) * (side * ratio + 0.02)), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        grid = figure.subplots(len(labels), COLUMNS, squeeze=False)
        for axes, (label, by_image) in zip(grid, found.items(), strict=True):
            for axis in axes:
                axis.set_axis_off()
            for axis, image, array in zip(axes, chosen, pixels, strict=False):
                _draw(axis, array, truth, image, by_image[image])
            axes[0].text(-0.03, 0.5, label, transform=axes[0].transAxes, rotation=90, va="center", ha="right")
        return save(figure, out)


def read_detections(path: Path) -> dict[int, list[dict]]:
    """COCO results by image id. Raises InputError naming the file."""
    try:
        results = json.loads(gzip.decompress(path.read_bytes()))
        by_image = defaultdict(list)
        for entry in results:
            by_image[entry["image_id"]].append(entry)
        return by_image
    except FileNotFoundError:
        raise InputError(path, "no such file: the run has not been evaluated") from None
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise InputError(path, f"expected gzipped COCO results ({error})") from None


def read_truth(folder: Path) -> Truth:
    """The validation split of a prepared data set. Raises InputError naming the broken file."""
    manifest = _json(folder / "manifest.json")
    try:
        split = manifest.get("splits", manifest)["val"]
        images, annotations = (folder / split[key] for key in ("images", "annotations"))
    except (AttributeError, KeyError, TypeError):
        raise InputError(folder / "manifest.json", "val: expected images and annotations") from None
    document = _json(annotations)
    boxes = defaultdict(list)
    try:
        for entry in document["annotations"]:
            if not entry.get("iscrowd"):
                boxes[entry["image_id"]].append((entry["bbox"], entry["category_id"]))
        files = {entry["id"]: entry["file_name"] for entry in document["images"]}
        names = {entry["id"]: entry["name"] for entry in document["categories"]}
    except (KeyError, TypeError) as error:
        raise InputError(annotations, f"expected COCO's instances format, misses {error}") from None
    return Truth(images, files, boxes, names)


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file: the data have not been prepared") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as JSON ({error})") from None


def _image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise InputError(path, f"cannot be read as an image ({error})") from None


def _draw(axis: Axes, array: np.ndarray, truth: Truth, image: int, found: list[dict]) -> None:
    height, width = array.shape[:2]
    axis.imshow(array, interpolation="nearest", extent=(0, width, height, 0))
    for box, _ in truth.boxes[image]:
        _rectangle(axis, box, "#ffffff", 0.7, (0, (3, 2)))
    categories = sorted(truth.names)
    colors = mpl.colormaps["tab10"].colors
    for entry in sorted(found, key=lambda entry: entry["score"]):
        if entry["score"] < THRESHOLD:
            continue
        color = colors[categories.index(entry["category_id"]) % len(colors)]
        _rectangle(axis, entry["bbox"], color, 1.1, "-")
        axis.text(
            min(max(entry["bbox"][0], 0) + 0.01 * width, 0.88 * width),
            max(entry["bbox"][1], 0.05 * height),
            truth.names[entry["category_id"]],
            color=color,
            fontsize=6.5,
            fontweight="bold",
            va="bottom" if entry["bbox"][1] > 0.08 * height else "top",
            path_effects=[withStroke(linewidth=1.2, foreground="black")],
            clip_on=True,
        )
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)


def _rectangle(axis: Axes, box: list[float], color, width: float, line) -> None:
    x, y, w, h = box
    axis.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=color, linewidth=width, linestyle=line))
