"""Figure 6: the same validation images under several detectors; what each finds, invents and misses."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from triplehead.analysis.figures.matching import IOU, match
from triplehead.analysis.figures.read import read_detections
from triplehead.analysis.figures.style import WIDTH, plain, rectangle, show
from triplehead.data.examples import FEWEST_OBJECTS, example_images
from triplehead.data.prepare import open_split
from triplehead.plan.plan import Plan

THRESHOLD = 0.3  # detections below it are not drawn and find nothing
PALE = 0.35
FOUND = {"color": "#0072b2", "width": 1.3, "line": "-"}
FALSE = {"color": "#d55e00", "width": 1.3, "line": (0, (1, 1))}
MISSED = {"color": "#000000", "width": 1.3, "line": (0, (4, 2))}


def caption(plan: Plan, exhibit: str) -> list[str]:
    return [
        f"The first validation images with at least {FEWEST_OBJECTS} objects, chosen before any detector ran; one "
        "detector a row, seed 0.",
        f"Detections with a score of at least {THRESHOLD} are matched by class at IoU ≥ {IOU}, the best score first.",
        "Blue: matched. Orange, dotted, ×: false positive. Black, dashed, ?: missed object.",
        "A score is each detector's own, so that the threshold need not be equally strict for all.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Reads the manifest and images of the data and, of each row's first seed, detections.json.gz.

    Raises InputError for a file that is missing or broken.
    """
    specs = {row.label: plan.specs[exhibit, row.label][0] for row in plan.exhibits[exhibit].rows if row.spec}
    found = {label: read_detections(results / "runs" / spec.id / "detections.json.gz") for label, spec in specs.items()}
    dataset = open_split(results / "data" / next(iter(specs.values())).data_id, "val")
    items = [dataset[index] for index in example_images(dataset)]

    side = (WIDTH - 0.25) / len(items)
    height = side * max(target["size"][0] / target["size"][1] for _, target in items) + 0.19
    figure = Figure(figsize=(WIDTH, len(specs) * height + 0.3), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    grid = figure.subplots(len(specs), len(items), squeeze=False)
    for axes, (label, by_image) in zip(grid, found.items(), strict=True):
        axes[0].set_ylabel(plain(label), fontsize=9)
        for axis, (image, target) in zip(axes, items, strict=True):
            _image(axis, image.permute(1, 2, 0).numpy(), target, by_image[target["image_id"]], dataset.categories)
    handles = [
        Line2D([], [], color=look["color"], linestyle=look["line"], linewidth=look["width"], label=name)
        for name, look in (("found", FOUND), ("× false positive", FALSE), ("? missed", MISSED))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=3)
    return figure


def _image(axis: Axes, image: np.ndarray, target: dict, found: list[dict], categories: list[tuple[int, str]]) -> None:
    """One panel: image [H, W, 3] uint8, its targets, COCO results on it."""
    show(axis, image, PALE)
    names = dict(categories)
    label_of = {number: label for label, (number, _) in enumerate(categories)}
    shown = sorted((entry for entry in found if entry["score"] >= THRESHOLD), key=lambda entry: -entry["score"])
    boxes = torch.tensor([entry["bbox"] for entry in shown], dtype=torch.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = torch.tensor([label_of[entry["category_id"]] for entry in shown], dtype=torch.long)
    matched = match(target["boxes"], target["labels"], boxes, labels)
    missed = [index for index in range(len(target["boxes"])) if index not in matched]
    for index in missed:
        name = categories[target["labels"][index]][1]
        _labelled(axis, target["boxes"][index].tolist(), f"? {name}", MISSED, image.shape)
    for entry, box, gt in zip(shown, boxes.tolist(), matched.tolist(), strict=True):
        name = names[entry["category_id"]]
        text, look = (name, FOUND) if gt >= 0 else (f"× {name}", FALSE)
        _labelled(axis, box, text, look, image.shape)
    right = int((matched >= 0).sum())
    axis.set_xlabel(f"{right} found, {len(shown) - right} false, {len(missed)} missed", fontsize=8, labelpad=2)


def _labelled(axis: Axes, box: list[float], text: str, look: dict, shape: tuple[int, ...]) -> None:
    """A box with its text above it, inside where the image ends."""
    rectangle(axis, box, **look)
    above = box[1] > 0.08 * shape[0]
    axis.text(
        max(box[0], 0), max(box[1], 0), plain(text), color="white", fontsize=6.5,
        va="bottom" if above else "top", clip_on=True,
        bbox={"facecolor": look["color"], "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip
