"""What all figures share: type, colours, dashes, markers, and how a figure is written, the same bytes each time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.plan import Plan

STYLE: dict[Any, Any] = {
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
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # TrueType: some publishers refuse Type 3
}
METADATA = {".pdf": {"CreationDate": None, "Creator": None, "Producer": None}, ".png": {"Software": None}}
NARROW = 0.4  # percentage points: the least that an axis of scores spans
WIDTH = 6.7  # inches: the report's text width
PAPER, MEASURED = "#8a8a8a", "#b3362b"
# Colours after Okabe and Ito, told apart by the colour-blind; dash and marker tell them apart without colour.
SERIES = tuple(
    {"color": color, "linestyle": dash, "marker": marker}
    for color, dash, marker in (
        ("#000000", "-", "o"),
        ("#0072b2", (0, (5, 1.5)), "s"),
        ("#d55e00", (0, (1, 1)), "^"),
        ("#009e73", (0, (5, 1.5, 1, 1.5)), "D"),
        ("#cc79a7", "-", "v"),
        ("#56b4e9", (0, (3, 1, 1, 1, 1, 1)), "P"),
        ("#b08000", (0, (8, 2)), "X"),
    )
)


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for a figure: while it is drawn, and while it is saved."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def save(figure: Figure, out: Path) -> Path:
    """Write a figure as PDF or PNG (300 dpi), by its suffix, without dates. Returns the path."""
    if out.suffix not in METADATA:
        raise InputError(out, f"a figure's suffix must be {' or '.join(METADATA)}")
    with atomic(out) as file:
        figure.savefig(file, format=out.suffix[1:], dpi=300, metadata=METADATA[out.suffix])
    return out


def say_scale(figure: Figure, plan: Plan) -> None:
    """The scale in the lower right corner: a figure is often seen without its caption."""
    nothing = "" if plan.scale.meaningful else ": scores mean nothing"
    place = figure.subfigs[-1] if figure.subfigs else figure
    place.supxlabel(f"{plan.measured_at}{nothing}", x=0.995, ha="right", fontsize=6.5, color="#777777")


def series(index: int) -> dict:
    """Colour, dash and marker of the curve with that index."""
    return dict(SERIES[index % len(SERIES)])


def over_seeds(axis: Axes, curves: Sequence[pd.Series], look: dict, label: str) -> None:
    """Mean over curves with the same index (x), the band from their smallest to their largest."""
    values = pd.concat(curves, axis=1)
    axis.plot(values.index, values.mean(axis=1), label=plain(label), **look)
    if len(curves) > 1:
        low, high = values.min(axis=1), values.max(axis=1)
        axis.fill_between(values.index, low, high, color=look["color"], alpha=0.15, linewidth=0)


def tenths(axis: Axes) -> None:
    """Ticks of scores (x) no finer than the tenths that tables print, and no axis that blows up less than that."""
    low, high = axis.get_xlim()
    if high - low < NARROW:
        middle = (low + high) / 2
        axis.set_xlim(middle - NARROW / 2, middle + NARROW / 2)
        axis.xaxis.set_major_locator(mpl.ticker.MultipleLocator(0.1))
    else:
        axis.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))


def smooth(values: pd.Series) -> pd.Series:
    """Mean over a twentieth of the curve: batches are small and the noise hides the order."""
    return values.rolling(max(1, len(values) // 20), min_periods=1, center=True).mean()


def band_phrase(plan: Plan, exhibit: str) -> str:
    """What a line and its band are."""
    seeds = {len(specs) for (name, _), specs in plan.specs.items() if name == exhibit}
    if seeds == {1}:
        return "one seed"
    number = " to ".join(str(count) for count in sorted({min(seeds), max(seeds)}))
    return f"line: mean over {number} seeds, band: from the smallest to the largest"


def rows_phrase(plan: Plan, exhibit: str) -> str:
    """Whose rows a figure beyond the paper shows."""
    return "the rows below" if exhibit in plan.own else "Table 5's rows"


def show(axis: Axes, image: np.ndarray, pale: float = 0.0) -> None:
    """An image [H, W, 3] uint8 in its own pixels, without ticks; `pale`: share of white over it."""
    height, width = image.shape[:2]
    image = np.round(image + pale * (255.0 - image)).astype(np.uint8)
    axis.imshow(image, extent=(0, width, height, 0))
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def rectangle(axis: Axes, box: Sequence[float], color: str, width: float, line, alpha: float = 1) -> None:
    """A box, xyxy, as a line of that width (points) and dash."""
    x1, y1, x2, y2 = box
    axis.add_patch(
        Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=width, linestyle=line, alpha=alpha)
    )


def plain(label: str) -> str:
    """Dollar signs in a label are text."""
    return label.replace("$", r"\$")
