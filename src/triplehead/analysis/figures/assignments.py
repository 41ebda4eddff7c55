"""Figure 4: which points a detector learns from, at several stages of its training, and how many there are."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torchvision.ops import box_iou

from triplehead.analysis.figures.read import read_assignments, read_history
from triplehead.analysis.figures.style import WIDTH, band_phrase, over_seeds, rectangle, series, show, smooth
from triplehead.analysis.statistics.samples import divergence
from triplehead.data.examples import example_images
from triplehead.data.prepare import open_split
from triplehead.errors import InputError
from triplehead.plan.plan import Plan

POSITIVE, NEGATIVE = "#8e2fc0", "#00a651"  # purple and green as in the paper
IMAGE = 0  # of the images that training looks at
MOST = 3.0  # inches: a panel's side where there are few
PALE = 0.5  # share of white over the image: so that lines stand out


def caption(plan: Plan, exhibit: str) -> list[str]:
    return [
        "Top: the same validation image after some iterations of training, seed 0: the first with at least three "
        "objects.",
        "Black, dashed: ground truth. Purple: positives, dots at their points, and the boxes that the detector "
        "predicts there. Green, dashed: boxes of the ten negatives with the highest class probability, crosses at "
        "their points. IoU: mean of the positives' predicted boxes with the objects that they learn.",
        f"Bottom: positives per object in the training batches ({band_phrase(plan, exhibit)}; moving mean over a "
        "twentieth of training).",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """A row of images for each row of the exhibit, a column for each snapshot; below them the curves.

    Reads of the first seed assignments.json.gz, of all history.csv, and the validation image. A run that diverged has
    panels up to there, and the word in the others. Raises InputError for a file that is missing or broken, and for
    snapshots of other images or iterations than the other rows'.
    """
    rows = {row.label: plan.specs[exhibit, row.label] for row in plan.exhibits[exhibit].rows if row.spec}
    paths = {label: results / "runs" / specs[0].id / "assignments.json.gz" for label, specs in rows.items()}
    diverged = {label for label, specs in rows.items() if divergence(results / "runs", specs[:1])}
    snapshots = {label: read_assignments(path, label in diverged) for label, path in paths.items()}
    longest = max(snapshots.values(), key=len)  # a run that diverged has the first ones alone, or none
    dataset = open_split(results / "data" / next(iter(rows.values()))[0].data_id, "val")
    moments = [snapshot["iteration"] for snapshot in longest]
    shown = longest[0]["images"][IMAGE]["image_id"] if longest else dataset.image_ids[example_images(dataset)[IMAGE]]
    for label, taken in snapshots.items():
        found = [(snapshot["iteration"], snapshot["images"][IMAGE]["image_id"]) for snapshot in taken]
        expected = [(moment, shown) for moment in moments]
        if label in diverged:
            expected = expected[: len(taken)]
        if found != expected:
            raise InputError(paths[label], "holds other images or iterations than the first row's run")
    image = dataset.image(dataset.image_ids.index(shown)).permute(1, 2, 0).numpy()

    width = 0.92 * WIDTH  # with Figure 5 on one page
    columns = len(moments) or 1
    side = min((width - 0.25) / columns, MOST)
    height = side * image.shape[0] / image.shape[1] + 0.17
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(width, len(rows) * height + 1.85), layout=layout)
    (top,), (bottom,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(len(rows) * height + 0.2, 1.65))
    grid = top.subplots(len(rows), columns, squeeze=False)
    for axes, (label, taken) in zip(grid, snapshots.items(), strict=True):
        axes[0].set_ylabel(label, fontsize=9)
        for axis, snapshot in zip(axes, taken, strict=False):
            _image(axis, image, snapshot["images"][IMAGE])
        for axis in axes[len(taken) :]:
            axis.set(xticks=[], yticks=[], xlabel="diverged")
    for axis, moment in zip(grid[0], moments, strict=False):
        axis.set_title(f"after {moment:,} iteration{'s' if moment > 1 else ''}")

    axis = bottom.subplots()
    for index, (label, specs) in enumerate(rows.items()):
        histories = [read_history(results / "runs" / spec.id / "history.csv") for spec in specs]
        for spec, history in zip(specs, histories, strict=True):
            if "positives" not in history:
                raise InputError(results / "runs" / spec.id / "history.csv", "expected a column 'positives'")
        curves = [smooth(history.set_index("iteration")["positives"]) for history in histories]
        look = {"linewidth": 1.1, "markersize": 3.5, "markevery": max(1, len(curves[0]) // 10)}
        over_seeds(axis, curves, series(index) | look, label)
    for moment in moments:
        axis.axvline(moment, color="#555555", linewidth=0.8, linestyle=":", zorder=0)
    axis.grid(False, axis="x")
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("iteration (dotted: the snapshots above)")
    axis.set_ylabel("positives per object")
    axis.legend(ncols=len(rows), handlelength=3.5, loc="lower right", bbox_to_anchor=(1, 0.97))
    return figure


def _image(axis: Axes, image: np.ndarray, snapshot: dict) -> None:
    """One panel: image [H, W, 3] uint8 and its record in a snapshot."""
    show(axis, image, PALE)
    for x, y, *box in snapshot["negatives"]:
        rectangle(axis, box, color=NEGATIVE, width=0.7, line=(0, (3, 1.5)))
        axis.plot(x, y, "x", color=NEGATIVE, markersize=3, markeredgewidth=0.7)
    for x, y, _, *box in snapshot["positives"]:
        rectangle(axis, box, color=POSITIVE, width=0.5, line="-", alpha=0.6)
        axis.plot(x, y, "o", color=POSITIVE, markersize=2, markeredgecolor="white", markeredgewidth=0.2)
    for box in snapshot["boxes"]:
        rectangle(axis, box, color="black", width=1, line=(0, (4, 2)))
    positives = torch.tensor(snapshot["positives"], dtype=torch.float64).reshape(-1, 7)
    text = f"{len(positives)} positives"
    if len(positives):
        boxes = torch.tensor(snapshot["boxes"], dtype=torch.float64)[positives[:, 2].long()]
        text += f", IoU {box_iou(positives[:, 3:], boxes).diagonal().mean():.2f}"
    axis.set_xlabel(text, fontsize=8, labelpad=2)
