"""AP of small, medium and large objects (beyond the paper)."""

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triplehead.analysis.figures.style import PAPER, WIDTH, plain, series
from triplehead.analysis.statistics.estimate import mean_and_std
from triplehead.analysis.statistics.samples import read_scores
from triplehead.plan.plan import Plan

SIZES = {"APS": "Small", "APM": "Medium", "APL": "Large"}


def caption(plan: Plan, exhibit: str) -> list[str]:
    several = max(len(specs) for (name, _), specs in plan.specs.items() if name == exhibit) > 1
    spread = "dot: mean over seeds, bar: one sample standard deviation" if several else "one seed, hence no bars"
    small, large = (sqrt(getattr(plan.scale.evaluation, f"area_{size}")) for size in ("small", "large"))
    return [
        f"AP of Table 5's rows on small (area below {small:g}² pixels), medium and large (above {large:g}²) objects "
        f"({spread}).",
        "The three axes have the same length, so that distances compare.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Reads `results`/runs/<id>/scores.json. Raises InputError where it lacks a score."""
    labels = [row.label for row in plan.exhibits[exhibit].rows if (exhibit, row.label) in plan.specs]
    scores = {
        label: [read_scores(results / "runs" / spec.id / "scores.json", tuple(SIZES)) for spec in specs]
        for label in labels
        for specs in [plan.specs[exhibit, label]]
    }
    figure = Figure(figsize=(WIDTH, 0.9 + 0.2 * len(labels)), layout="constrained")
    axes = figure.subplots(1, len(SIZES), sharey=True)
    for axis, (metric, size) in zip(axes, SIZES.items(), strict=True):
        for place, label in enumerate(labels):
            mean, std = mean_and_std([run[metric] for run in scores[label] if run[metric] is not None])
            if mean is None:
                axis.text(0.5, place, "no such objects", transform=axis.get_yaxis_transform(), ha="center", va="center",
                          color=PAPER)  # fmt: skip
                continue
            look = {key: value for key, value in series(place).items() if key != "linestyle"}
            axis.errorbar(mean, place, xerr=std, linestyle="none", markersize=4.5, elinewidth=1, capsize=2, **look)
        axis.set_title(size, loc="left")
        axis.set_xlabel(f"{metric} (%)")
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    _same_length(axes)
    axes[0].set_yticks(range(len(labels)), [plain(label) for label in labels])
    axes[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


def _same_length(axes: Sequence[Axes]) -> None:
    """Each axis around its own values, all as long as the longest needs, at least a point."""
    limits = [axis.get_xlim() for axis in axes]
    length = max(1.0, *(1.1 * (high - low) for low, high in limits))
    for axis, (low, high) in zip(axes, limits, strict=True):
        axis.set_xlim((low + high - length) / 2, (low + high + length) / 2)
