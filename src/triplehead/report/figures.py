"""Plots of the report, the same bytes each time: published beside measured, and learning curves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from triplehead.analysis.tables import mean_and_std
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.plan import Plan

STYLE = {
    "font.family": "STIXGeneral",  # comes with matplotlib
    "mathtext.fontset": "stix",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "triplehead",
    "svg.fonttype": "path",
}
PAPER, MEASURED = "#8a8a8a", "#b3362b"
ROWS = ("#1f1f1f", *sns.color_palette("colorblind", 6).as_hex())  # a colour per row
NARROW = 0.4  # percentage points: the least that an axis of scores spans
WIDTH = 6.7  # inches: the report's text width


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for a figure of the report."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def save(figure: Figure, out: Path) -> Path:
    """Write a figure as PNG (200 dpi) or SVG, by its suffix, without dates. Returns the path."""
    if out.suffix not in (".png", ".svg"):
        raise InputError(out, "a figure's suffix must be .png or .svg")
    with atomic(out) as file:
        metadata = {"Date": None, "Creator": None} if out.suffix == ".svg" else {"Software": None}
        figure.savefig(file, format=out.suffix[1:], dpi=200, metadata=metadata)
    return out


def comparison_figure(plan: Plan, frames: dict[str, pd.DataFrame], out: Path, metric: str = "AP") -> Path:
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
        raise InputError(out, f"no table has a metric {metric}")
    heights = [len(frame) + 1.6 for frame in frames.values()]
    with style():
        figure = Figure(figsize=(WIDTH, 0.6 + 0.18 * sum(heights)), layout="constrained")
        grid = figure.subplots(len(frames), 2, squeeze=False, sharey="row", gridspec_kw={"height_ratios": heights})
        for (name, frame), (left, right) in zip(frames.items(), grid, strict=True):
            places = range(len(frame))
            left.plot(frame["published"], places, "o", color=PAPER, markersize=4.5)
            right.errorbar(
                frame["mean"], places, xerr=frame["std"].fillna(0), fmt="o", color=MEASURED, markersize=4.5,
                elinewidth=1, capsize=2,
            )  # fmt: skip
            left.set_yticks(places, [_math(label) for label in frame["label"]])
            left.set_ylim(len(frame) - 0.5, -0.5)
            left.set_title(f"Table {name.removeprefix('table')}", loc="left", fontweight="bold")
            for axis, values in ((left, frame["published"]), (right, frame["mean"])):
                axis.tick_params(axis="y", length=0)
                axis.spines["left"].set_visible(False)
                if values.isna().all():
                    axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color=PAPER)
                else:
                    axis.margins(x=0.08)
                    _tenths(axis)
        grid[-1, 0].set_xlabel(f"{metric} published in the paper (%)", color="#555555")
        grid[-1, 1].set_xlabel(f"{metric} measured at the {plan.config.scale} scale (%)", color=MEASURED)
        if not plan.scale.meaningful:
            grid[0, 1].set_title("the scores mean nothing at this scale", loc="right", color=MEASURED)
        return save(figure, out)


def learning_curves(plan: Plan, runs: Path, out: Path, exhibit: str = "table5") -> Path:
    """Classification and box loss over training for each row of an exhibit: mean over seeds, band min to max.

    Reads `runs`/<id>/history.csv. Raises InputError if one is missing or lacks the losses.
    """
    curves = {
        row.label: [read_history(runs / spec.id / "history.csv") for spec in plan.specs[exhibit, row.label]]
        for row in plan.exhibits[exhibit].rows
        if (exhibit, row.label) in plan.specs
    }
    losses = [name for name in ("classification", "box") if any(name in one[0] for one in curves.values())]
    if not losses:
        raise InputError(runs, f"no run of {exhibit} has a classification or box loss")
    with style():
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        axes = figure.subplots(1, len(losses), squeeze=False)[0]
        for axis, loss in zip(axes, losses, strict=True):
            for index, (label, histories) in enumerate(curves.items()):
                shown = [_smooth(history[loss]) for history in histories if loss in history]
                if not shown:
                    continue
                over_seeds = pd.concat(shown, axis=1)
                color = ROWS[index % len(ROWS)]
                steps = histories[0]["iteration"]
                mean = [mean_and_std(values.dropna().tolist())[0] for _, values in over_seeds.iterrows()]
                axis.plot(steps, mean, color=color, linewidth=1.1, label=_math(label))
                if len(shown) > 1:
                    axis.fill_between(
                        steps,
                        over_seeds.min(axis=1),
                        over_seeds.max(axis=1),
                        color=color,
                        alpha=0.13,
                        linewidth=0,
                    )
            axis.set_title(f"{loss.capitalize()} loss", loc="left")
            axis.set_xlabel("iteration")
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
            axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
            axis.yaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 2, 5)))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        return save(figure, out)


def read_history(path: Path) -> pd.DataFrame:
    """A run's history.csv: iteration, lr and one column a loss. Raises InputError naming the file."""
    try:
        history = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(path, "no such file: the run has not been trained") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"is no table ({error})") from None
    if "iteration" not in history or history.empty:
        raise InputError(path, "expected a column 'iteration' and at least one line")
    return history


def _tenths(axis: Axes) -> None:
    """Ticks no finer than the tenths that tables print, and no axis that blows up less than that."""
    low, high = axis.get_xlim()
    if high - low < NARROW:
        middle = (low + high) / 2
        axis.set_xlim(middle - NARROW / 2, middle + NARROW / 2)
        axis.xaxis.set_major_locator(mpl.ticker.MultipleLocator(0.1))
    else:
        axis.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))


def _smooth(values: pd.Series) -> pd.Series:
    """Mean over a twentieth of the curve: batches are small and the noise hides the order."""
    return values.rolling(max(1, len(values) // 20), min_periods=1, center=True).mean()


def _math(label: str) -> str:
    """Dollar signs in a label are text."""
    return label.replace("$", r"\$")
