"""Published beside measured: the order of the rows of all tables of scores. The report draws it itself."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triplehead.analysis.figures.style import MEASURED, PAPER, WIDTH, plain, tenths
from triplehead.analysis.intervals import bars
from triplehead.errors import InputError
from triplehead.plan.plan import Plan


def caption(plan: Plan, frames: dict[str, pd.DataFrame]) -> str:
    scores = [frame for name, frame in frames.items() if plan.exhibits[name].kind == "scores"]
    several = any(frame["std"].notna().any() for frame in scores)
    spread = "bars are 95% intervals, as in the tables" + ("" if several else "; one seed each")
    nothing = "" if plan.scale.meaningful else " At this scale the measured scores mean nothing."
    return (
        f"Order of the rows in AP: published by the paper (left), measured at the {plan.config.scale} scale (right; "
        f"{spread}). Each panel has its own axis: compare orders, not sizes.{nothing}"
    )


def draw(plan: Plan, frames: dict[str, pd.DataFrame], metric: str = "AP") -> Figure:
    """A dot for each row of each table of scores: published left, measured right, each on its own axis. Rows that
    the paper only cites are left out.

    frames: exhibit -> its table. The sides never share an axis: the data differ unless the scale is 'paper'.
    """
    frames = {
        name: frame[(frame["metric"] == metric) & (frame["run_ids"] != "")]
        for name, frame in frames.items()
        if plan.exhibits[name].kind == "scores" and metric in plan.exhibits[name].metrics
    }
    if not frames:
        raise InputError("comparison", f"no table has a metric {metric}")
    heights = [len(frame) + 1.6 for frame in frames.values()]
    figure = Figure(figsize=(WIDTH, 0.6 + 0.18 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(frames), 2, squeeze=False, sharey="row", gridspec_kw={"height_ratios": heights})
    for (name, frame), (left, right) in zip(frames.items(), grid, strict=True):
        places = range(len(frame))
        left.plot(frame["published"], places, "o", color=PAPER, markersize=4.5)
        right.errorbar(
            frame["mean"], places, xerr=bars(frame), fmt="o", color=MEASURED, markersize=4.5,
            elinewidth=1, capsize=2,
        )  # fmt: skip
        left.set_yticks(places, [plain(label) for label in frame["label"]])
        left.set_ylim(len(frame) - 0.5, -0.5)
        title = f"Yours: {name}" if name in plan.own else f"Table {name.removeprefix('table')}"
        left.set_title(plain(title), loc="left", fontweight="bold")
        for axis, values, empty in (
            (left, frame["published"], "not published"),
            (right, frame["mean"], "not measured"),
        ):
            axis.tick_params(axis="y", length=0)
            axis.spines["left"].set_visible(False)
            if values.isna().all():
                axis.text(0.5, 0.5, empty, transform=axis.transAxes, ha="center", color=PAPER)
            else:
                axis.margins(x=0.08)
                tenths(axis)
    for side in grid.T:
        _from_nothing(side)
    grid[-1, 0].set_xlabel(f"{metric} published in the paper (%)", color="#555555")
    grid[-1, 1].set_xlabel(f"{metric} measured at the {plan.config.scale} scale (%)", color=MEASURED)
    if not plan.scale.meaningful:
        grid[0, 1].set_title("the scores mean nothing at this scale", loc="right", color=MEASURED)
    return figure


def _from_nothing(axes: Sequence[Axes]) -> None:
    """No score is below 0; where one panel of a side begins there, all do."""
    if any(axis.get_xlim()[0] <= 0 for axis in axes if axis.has_data()):
        for axis in axes:
            axis.set_xlim(left=0)
