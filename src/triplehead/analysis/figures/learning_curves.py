"""Classification and box loss over training (beyond the paper)."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from triplehead.analysis.figures.read import read_history
from triplehead.analysis.figures.style import WIDTH, band_phrase, over_seeds, rows_phrase, series, smooth
from triplehead.errors import InputError
from triplehead.plan.plan import Plan

LOSSES = ("classification", "box")
MARKERS = 8  # on a curve


def caption(plan: Plan, exhibit: str) -> list[str]:
    return [
        f"Training losses of {rows_phrase(plan, exhibit)} ({band_phrase(plan, exhibit)}; moving mean over a twentieth "
        "of training).",
        "Each row chooses its own positives, so a lower loss is not a better detector.",
        "AP during training is not measured.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Reads `results`/runs/<id>/history.csv. Raises InputError if one is missing, or none has a loss to show."""
    rows = [row.label for row in plan.exhibits[exhibit].rows if (exhibit, row.label) in plan.specs]
    histories = {
        label: [read_history(results / "runs" / spec.id / "history.csv") for spec in plan.specs[exhibit, label]]
        for label in rows
    }
    losses = [name for name in LOSSES if any(name in runs[0] for runs in histories.values())]
    if not losses:
        raise InputError(exhibit, "none of its runs has a classification or box loss")
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    axes = figure.subplots(1, len(losses), squeeze=False)[0]
    for axis, loss in zip(axes, losses, strict=True):
        for index, (label, runs) in enumerate(histories.items()):
            curves = [smooth(run.set_index("iteration")[loss]) for run in runs if loss in run]
            if curves:
                every = max(1, len(curves[0]) // MARKERS)
                look = {"linewidth": 1.1, "markersize": 3.5, "markevery": (index * every // len(rows), every)}
                over_seeds(axis, curves, series(index) | look, label)
        axis.set_xlabel("iteration")
        axis.set_ylabel(f"{loss} loss (log scale)")
        axis.set_xlim(left=0)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axis.yaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 1.5, 2, 3, 4, 5, 7)))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3.5)
    return figure
