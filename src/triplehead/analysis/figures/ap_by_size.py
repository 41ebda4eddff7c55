"""AP of small, medium and large objects (beyond the paper)."""

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triplehead.analysis.figures.style import PAPER, WIDTH, plain, rows_phrase, series
from triplehead.analysis.intervals import shown
from triplehead.analysis.statistics.cells import of_sample
from triplehead.analysis.statistics.samples import sample
from triplehead.plan.plan import Plan

SIZES = {"APS": "Small", "APM": "Medium", "APL": "Large"}


def caption(plan: Plan, exhibit: str) -> list[str]:
    several = max(len(specs) for (name, _), specs in plan.specs.items() if name == exhibit) > 1
    over = "seeds and validation images" if several else "validation images alone, of one seed"
    spread = f"dot: mean over seeds, bar: its 95% interval over {over}"
    small, large = (sqrt(getattr(plan.scale.evaluation, f"area_{size}")) for size in ("small", "large"))
    return [
        f"AP of {rows_phrase(plan, exhibit)} on small (area below {small:g}² pixels), medium and large (above "
        f"{large:g}²) objects ({spread}).",
        "The three axes are the same, so that sizes compare.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Reads `results`/runs/<id>/scores.json and replicates.npz. Raises InputError where a score is missing."""
    labels = [row.label for row in plan.exhibits[exhibit].rows if (exhibit, row.label) in plan.specs]
    figure = Figure(figsize=(WIDTH, 0.9 + 0.2 * len(labels)), layout="constrained")
    axes = figure.subplots(1, len(SIZES), sharey=True)
    for axis, (metric, size) in zip(axes, SIZES.items(), strict=True):
        for place, label in enumerate(labels):
            found = of_sample(sample(plan, results / "runs", exhibit, label, metric, complete=True))
            if found.value is None:
                axis.text(0.5, place, "no such objects", transform=axis.get_yaxis_transform(), ha="center", va="center",
                          color=PAPER)  # fmt: skip
                continue
            look = {key: value for key, value in series(place).items() if key != "linestyle"}
            ends = shown(found.low, found.high, metric)
            bar = None if ends is None else [[found.value - ends[0]], [ends[1] - found.value]]
            axis.errorbar(
                found.value,
                place,
                xerr=bar,
                linestyle="none",
                markersize=4.5,
                elinewidth=1,
                capsize=2,
                clip_on=False,
                **look,
            )
        axis.set_title(size, loc="left")
        axis.set_xlabel(f"{metric} (%)")
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    _same_axis(axes)
    axes[0].set_yticks(range(len(labels)), [plain(label) for label in labels])
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


def _same_axis(axes: Sequence[Axes]) -> None:
    """From nothing to what the widest needs, at least a point."""
    most = max(1.0, *(axis.dataLim.x1 for axis in axes if axis.has_data()))
    for axis in axes:
        axis.set_xlim(0, 1.05 * most)
