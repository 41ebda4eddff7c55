"""Figure 6: the same validation images under several detectors; what each finds, invents and misses."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from triplehead.analysis.figures.matching import FALSE, IOU, best_threshold, match
from triplehead.analysis.figures.read import read_results
from triplehead.analysis.figures.style import WIDTH, plain, rectangle, show
from triplehead.data.dataset import DetectionDataset
from triplehead.data.examples import FEWEST_OBJECTS, example_images
from triplehead.data.prepare import open_split
from triplehead.data.results import Boxes, Detections, detections, true_boxes
from triplehead.plan.plan import Plan

PALE = 0.5  # share of white over the image: so that lines stand out
LABEL, PAD = 6.5, 0.5  # points: type and the margin around it
LEGIBLE = 10  # false positives of an image: more are not named
RIGHT: dict[str, Any] = {"color": "#0072b2", "width": 1.3, "line": "-"}
WRONG: dict[str, Any] = {"color": "#d55e00", "width": 1.3, "line": (0, (1, 1))}
MISSED: dict[str, Any] = {"color": "#000000", "width": 1.3, "line": (0, (4, 2))}

Mark = tuple[np.ndarray, str, dict]  # box, xyxy; label; line


def caption(plan: Plan, exhibit: str) -> list[str]:
    return [
        f"The first validation images with at least {FEWEST_OBJECTS} objects, chosen before any detector ran; one "
        "detector a row, seed 0.",
        f"Detections are matched with objects of their class at IoU ≥ {IOU}, the best score first.",
        "Each detector is shown above the score at which its F1 on all validation images is highest (at the left), "
        "since scores of different detectors do not mean the same.",
        "Blue: matched. Orange, dotted, ×: false positive. Black, dashed, ?: missed object. A label that would hide "
        "another is left out.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Reads the manifest and images of the data and, of each row's first seed, detections.json.gz.

    Raises InputError for a file that is missing or broken.
    """
    specs = {row.label: plan.specs[exhibit, row.label][0] for row in plan.exhibits[exhibit].rows if row.spec}
    dataset = open_split(results / "data" / next(iter(specs.values())).data_id, "val")
    indices = example_images(dataset)
    images = [dataset.image(index).permute(1, 2, 0).numpy() for index in indices]

    width = 0.9 * WIDTH  # with Figure B on one page
    side = (width - 0.4) / len(images)
    height = side * max(image.shape[0] / image.shape[1] for image in images) + 0.19
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(width, len(specs) * height + 0.3), layout=layout)
    grid = figure.subplots(len(specs), len(images), squeeze=False)
    marks = []
    for axes, (label, spec) in zip(grid, specs.items(), strict=True):
        path = results / "runs" / spec.id / "detections.json.gz"
        found = detections(read_results(path, dataset), dataset.truth(), dataset.categories).best_first()
        matched = match(dataset.truth(), found)
        real, ignore = true_boxes(dataset.truth())
        threshold = best_threshold(found.scores, matched, int((~ignore).sum()))
        axes[0].set_ylabel(f"{plain(label)}\nscore ≥ {threshold:.2f}", fontsize=8.5)
        for axis, index, image in zip(axes, indices, images, strict=True):
            show(axis, image, PALE)
            shown = (found.image == index) & (found.scores >= threshold)
            objects = np.flatnonzero((real.image == index) & ~ignore)
            marks.append((axis, _mark(axis, dataset, found.select(shown), matched[shown], real, objects)))
    handles = [
        Line2D([], [], color=look["color"], linestyle=look["line"], linewidth=look["width"], label=name)
        for name, look in (("found", RIGHT), ("× false positive", WRONG), ("? missed", MISSED))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=3)
    figure.draw_without_rendering()  # how large the panels have become: labels must not cover each other
    for axis, marked in marks:
        _labels(axis, marked)
    return figure


def _mark(
    axis: Axes, dataset: DetectionDataset, found: Detections, matched: np.ndarray, real: Boxes, objects: np.ndarray
) -> list[Mark]:
    """One panel: what was found in the image, and which of its `objects` (indices into `real`) were missed -> what is
    to be labelled."""
    missed = np.setdiff1d(objects, matched)
    right, wrong = int((matched >= 0).sum()), int((matched == FALSE).sum())
    names = [dataset.categories[label][1] for label in found.label]
    marks = [(real.boxes[index], "?", MISSED) for index in missed]
    marks += [(box, name, RIGHT) for box, name, gt in zip(found.boxes, names, matched, strict=True) if gt >= 0]
    marks += [
        (box, f"× {name}" if wrong <= LEGIBLE else "×", WRONG)
        for box, name, gt in zip(found.boxes, names, matched, strict=True)
        if gt == FALSE
    ]
    (_, width), (height, _) = axis.get_xlim(), axis.get_ylim()
    marks = [(box.clip(0, [width, height] * 2), text, look) for box, text, look in marks]
    for box, _, look in marks:
        rectangle(axis, box, **look)
    axis.set_xlabel(f"{right} found, {wrong} false, {len(missed)} missed", fontsize=8, labelpad=2)
    return marks


def _labels(axis: Axes, marks: list[Mark]) -> None:
    """The labels of a panel that has its size: those of missed and found objects before those of false positives."""
    points = axis.get_window_extent().width / axis.figure.dpi * 72
    unit = (axis.get_xlim()[1] - axis.get_xlim()[0]) / (0.97 * points)  # the note on the scale takes some of it yet
    taken: list[tuple[float, ...]] = []
    for box, text, look in marks:
        _label(axis, box, text, look, unit, taken)


def _label(axis: Axes, box: np.ndarray, text: str, look: dict, unit: float, taken: list[tuple[float, ...]]) -> None:
    """The text at the first corner of `box` where it covers no label that is `taken` already; nowhere, where it covers
    one at each: a label that hides another says less than none. Above and below the box, inside at the image's edge.
    unit: pixels of the image a point of type."""
    (_, width), (height, _) = axis.get_xlim(), axis.get_ylim()
    font = FontProperties(size=LABEL)
    length, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    _, line, _ = text_to_path.get_text_width_height_descent("lp", font, ismath=False)
    wide, high = unit * (length + 2 * PAD), unit * (line + 2 * PAD)
    x1, y1, x2, y2 = box
    above, below = (x1, y1, "left", "bottom"), (x2, y2, "right", "top")
    others = (x1, y2, "left", "top"), (x2, y1, "right", "bottom")
    # A false positive often coincides with an object that is labelled above.
    for x, y, across, along in (below, *others, above) if look is WRONG else (above, below, *others):
        if along == "bottom" and y < high:
            along = "top"
        elif along == "top" and y > height - high:
            along = "bottom"
        left, top = (x if across == "left" else x - wide), (y if along == "top" else y - high)
        place = (left, top, left + wide, top + high)
        if left < 0 or place[2] > width or any(_cover(place, other) for other in taken):
            continue
        taken.append(place)
        axis.text(
            x, y, plain(text), ha=across, va=along, color="white", fontsize=LABEL, clip_on=True,
            bbox={"facecolor": look["color"], "edgecolor": "none", "pad": PAD},
        )  # fmt: skip
        return


def _cover(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes, xyxy, overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
