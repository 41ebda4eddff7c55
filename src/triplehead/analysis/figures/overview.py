"""The study in one picture: Table 5's AP as published and as measured, with intervals. The report's first figure."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triplehead.analysis.captions import PUBLISHED_ON, data_phrase, interval_sentences, seeds_phrase
from triplehead.analysis.figures import OVERVIEW_OF
from triplehead.analysis.figures.style import MEASURED, PAPER, WIDTH, plain, tenths
from triplehead.analysis.intervals import bars
from triplehead.analysis.printing import number
from triplehead.analysis.tables import read_table
from triplehead.plan.plan import Plan

METRIC, START = "AP", "Baseline"  # the row that the others build on


def caption(plan: Plan, frame: pd.DataFrame) -> str:
    """frame: the table, from `read_csv`."""
    table, scores = plan.exhibits[OVERVIEW_OF], frame[frame["metric"] == METRIC]
    sentences = [
        f"What each part of the method adds (Table {OVERVIEW_OF.removeprefix('table')}, section {table.section} of the "
        f"paper), in {METRIC}.",
        f"Left: as published, on {PUBLISHED_ON[table.protocol]}.",
        f"Right: measured at the {plan.config.scale} scale, on {data_phrase(plan, OVERVIEW_OF)}; "
        f"{seeds_phrase(scores).replace('mean ± sample standard deviation', 'means')}.",
        *(text.replace("In brackets", "Bars") for text in interval_sentences(scores)),
        "Dotted: the baseline. Each side has its own axis.",
    ]
    if not plan.scale.meaningful:
        sentences.append("At this scale the measured scores mean nothing.")
    return " ".join(sentences)


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """A line for each row of the table, its number at the end of the line.

    Reads `results`/table5.csv. Raises InputError where it is missing or another table.
    """
    frame = read_table(plan, OVERVIEW_OF, results)
    rows = frame[frame["metric"] == METRIC].reset_index(drop=True)
    figure = Figure(figsize=(WIDTH, 0.75 + 0.25 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _side(left, rows["label"], rows["published"], None, PAPER)
    _side(right, rows["label"], rows["mean"], bars(rows), MEASURED, best=plan.scale.meaningful)
    left.set_title(f"Published, {PUBLISHED_ON[plan.exhibits[OVERVIEW_OF].protocol]}", loc="left", color="#555555")
    nothing = "" if plan.scale.meaningful else ": means nothing"
    right.set_title(f"Measured, {plan.config.scale} scale{nothing}", loc="left", color=MEASURED)
    left.set_yticks(range(len(rows)), [plain(label) for label in rows["label"]])
    left.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def _side(
    axis: Axes, labels: pd.Series, values: pd.Series, reach: np.ndarray | None, color: str, best: bool = True
) -> None:
    """best: whether the highest value is bold, as in the tables: those that are printed alike are."""
    look: dict[str, Any] = {"color": color, "markersize": 5, "elinewidth": 1.2, "capsize": 2.5}
    axis.errorbar(values, range(len(values)), xerr=reach, fmt="o", **look)
    axis.set_xlabel(f"{METRIC} (%)")
    axis.tick_params(axis="y", length=0)
    axis.grid(False, axis="y")
    axis.spines["left"].set_visible(False)
    if values.isna().all():
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color=PAPER)
        return
    for place, value in enumerate(values):
        text = "–" if pd.isna(value) else number(value)
        bold = best and text == number(values.max())
        axis.text(1.02, place, text, transform=axis.get_yaxis_transform(), ha="left", va="center",
                  fontweight="bold" if bold else "normal")  # fmt: skip
    start = values[labels == START]
    if start.notna().any():
        axis.axvline(float(start.iloc[0]), color="#777777", linewidth=0.8, linestyle=":", zorder=0)
    axis.margins(x=0.08)
    tenths(axis)
