"""Figure 5: how well the predictions under each label assignment strategy are localised."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from triplehead.analysis.figures.read import read_results
from triplehead.analysis.figures.style import PAPER, WIDTH, band_phrase, over_seeds, plain, series
from triplehead.analysis.quantiles import DEFINITION, prediction_ious, shares
from triplehead.data.prepare import open_split
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec

STRICT = 0.95  # the threshold that the paper discusses


def caption(plan: Plan, exhibit: str) -> list[str]:
    return [
        f"{DEFINITION} The paper does not define what it shows.",
        f"Left: all thresholds; {band_phrase(plan, exhibit)}. Right: IoU {STRICT} alone, on its own axis; one dot a "
        "seed, the bar is their mean.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Reads each run's detections.json.gz and the annotations of its validation images.

    Raises InputError for a file that is missing or broken.
    """
    curves = {
        row.label: [run_shares(results, spec) for spec in plan.specs[exhibit, row.label]]
        for row in plan.exhibits[exhibit].rows
        if row.spec
    }
    figure = Figure(figsize=(WIDTH, 2.45), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1.55, 1)})
    for index, (label, runs) in enumerate(curves.items()):
        look = series(index)
        over_seeds(left, runs, look | {"linewidth": 1.1, "markersize": 4}, label)
        at = pd.Series([run[STRICT] for run in runs])
        right.plot(at, [index] * len(at), linestyle="none", color=look["color"], marker=look["marker"], markersize=4,
                   clip_on=False)  # fmt: skip
        right.plot([at.mean()] * 2, [index - 0.3, index + 0.3], color=look["color"], linewidth=1.5)
        if at.isna().all():
            right.text(0.5, index, "no predictions", transform=right.get_yaxis_transform(), color=PAPER, ha="center",
                       va="center")  # fmt: skip
    left.set_xlabel("IoU threshold")
    left.set_ylabel("predictions at or above it (%)")
    left.set_xticks([step / 100 for step in range(50, 100, 5)])
    left.set_ylim(bottom=0)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5, handlelength=2.6,
                  columnspacing=1.4)  # fmt: skip
    right.set_yticks(range(len(curves)), [plain(label) for label in curves])
    right.set_ylim(len(curves) - 0.5, -0.5)
    right.set_xlabel(f"predictions at or above IoU {STRICT} (%)")
    right.tick_params(axis="y", length=0, pad=7)
    right.spines["left"].set_visible(False)
    right.margins(x=0.15)
    right.set_xlim(left=0)
    return figure


def run_shares(results: Path, spec: RunSpec) -> pd.Series:
    """Share in percent by threshold, of one run."""
    dataset = open_split(results / "data" / spec.data_id, "val")
    found = read_results(results / "runs" / spec.id / "detections.json.gz", dataset)
    frame = shares(prediction_ious(dataset.truth(), found, dataset.categories))
    return frame.set_index("threshold")["share"]
