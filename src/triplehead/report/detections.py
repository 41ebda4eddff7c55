"""The same validation images under several detectors: ground truth and what each one found."""

import gzip
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from triplehead.data.dataset import DetectionDataset
from triplehead.data.prepare import open_split
from triplehead.errors import InputError
from triplehead.plan.plan import Plan
from triplehead.report.figures import WIDTH, save, style

THRESHOLD = 0.3  # detections below it are not drawn
COLUMNS = 4
FEWEST_OBJECTS = 3  # the first images with so many are shown: chosen before any detector ran


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
    found = {label: read_detections(results / "runs" / spec.id / "detections.json.gz") for label, spec in specs.items()}
    dataset = open_split(results / "data" / next(iter(specs.values())).data_id, "val")
    names, items = dict(dataset.categories), [dataset[index] for index in chosen_images(dataset)]
    ratio = max(height / width for height, width in (target["size"] for _, target in items))
    side = (WIDTH - 0.2) / COLUMNS  # what the labels at the left leave
    with style():
        figure = Figure(figsize=(WIDTH, len(labels) * (side * ratio + 0.02)), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        grid = figure.subplots(len(labels), COLUMNS, squeeze=False)
        for axes, (label, by_image) in zip(grid, found.items(), strict=True):
            for axis in axes:
                axis.set_axis_off()
            for axis, (image, target) in zip(axes, items, strict=False):
                draw(
                    axis,
                    image.permute(1, 2, 0).numpy(),
                    target["boxes"].numpy(),
                    by_image[target["image_id"]],
                    names,
                )
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


def chosen_images(dataset: DetectionDataset) -> list[int]:
    """Indices of the first images with enough objects, filled up with the first others."""
    indices = range(len(dataset))
    return sorted(indices, key=lambda index: len(dataset.entries[index].boxes) < FEWEST_OBJECTS)[:COLUMNS]


def draw(axis: Axes, image: np.ndarray, truth: np.ndarray, found: list[dict], names: dict[int, str]) -> None:
    """An image [H, W, 3], its boxes [M, 4] (xyxy) and detections (COCO results); names: category -> name."""
    height, width = image.shape[:2]
    axis.imshow(image, interpolation="nearest", extent=(0, width, height, 0))
    for x1, y1, x2, y2 in truth:
        _rectangle(axis, (x1, y1, x2 - x1, y2 - y1), "#ffffff", 0.7, (0, (3, 2)))
    categories, colors = sorted(names), mpl.colormaps["tab10"].colors
    for entry in sorted(found, key=lambda entry: entry["score"]):
        if entry["score"] < THRESHOLD:
            continue
        x, y = max(entry["bbox"][0], 0), max(entry["bbox"][1], 0)
        color = colors[categories.index(entry["category_id"]) % len(colors)]
        _rectangle(axis, entry["bbox"], color, 1.1, "-")
        axis.text(
            x,
            y,
            names[entry["category_id"]],
            color="white",
            fontsize=6,
            va="bottom" if y > 0.08 * height else "top",
            bbox={"facecolor": color, "edgecolor": "none", "pad": 0.6},
            clip_on=True,
        )
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)


def _rectangle(axis: Axes, box: Sequence[float], color, width: float, line) -> None:
    x, y, w, h = box
    axis.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=color, linewidth=width, linestyle=line))
