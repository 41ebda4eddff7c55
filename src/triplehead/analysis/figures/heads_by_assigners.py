"""AP of each head with each assigner, as a heat map (beyond the paper)."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from triplehead.analysis.figures.style import WIDTH, plain
from triplehead.analysis.printing import number
from triplehead.analysis.statistics.estimate import mean_and_std
from triplehead.analysis.statistics.samples import read_scores
from triplehead.errors import InputError
from triplehead.plan.plan import Plan

HEAD, ASSIGNER = "Head", "Assigner"
COLORS = mpl.colormaps["cividis"]  # even in brightness, also for the colour-blind
CELL = 0.55  # inches, height


def caption(plan: Plan, exhibit: str) -> list[str]:
    cells = plan.exhibits[exhibit].rows
    hatched = ["Hatched: the two do not go together."] if any(row.spec is None for row in cells) else []
    several = any(len(plan.specs.get((exhibit, row.label), ())) > 1 for row in cells)
    return [
        "AP (%) of each head (row) with each assigner (column); n: seeds"
        f"{', ±: sample standard deviation' if several else ''}.",
        *hatched,
        "No head has a quality branch, so that cells differ in head and assigner alone.",
    ]


def draw(plan: Plan, exhibit: str, results: Path) -> Figure:
    """Rows of the exhibit place themselves by their ticks `Head` and `Assigner`; without a spec, by their note.

    Reads `results`/runs/<id>/scores.json. Raises InputError where it is missing, and for a row without a place.
    """
    cells = {}
    for row in plan.exhibits[exhibit].rows:
        if not {HEAD, ASSIGNER} <= row.ticks.keys():
            raise InputError(exhibit, f"row {row.label!r}: expected the ticks {HEAD} and {ASSIGNER}")
        specs = plan.specs.get((exhibit, row.label), ())
        scores = [read_scores(results / "runs" / spec.id / "scores.json", ("AP",))["AP"] for spec in specs]
        cells[row.ticks[HEAD], row.ticks[ASSIGNER]] = ([score for score in scores if score is not None], row.note)
    heads, assigners = (list(dict.fromkeys(key[axis] for key in cells)) for axis in (0, 1))
    means = [mean for values, _ in cells.values() if (mean := mean_and_std(values)[0]) is not None]
    norm = mpl.colors.Normalize(min(means, default=0), max(means, default=1))

    figure = Figure(figsize=(0.9 * WIDTH, 0.6 + CELL * len(heads)), layout="constrained")
    axis = figure.subplots()
    for (head, assigner), (values, note) in cells.items():
        x, y = assigners.index(assigner), heads.index(head)
        mean, std = mean_and_std(values)
        if mean is None:
            axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#f2f2f2", edgecolor="#bbbbbb", hatch="///"))
            text = note or "not measured"
            axis.text(x, y, plain(text), ha="center", va="center", fontsize=7, wrap=True,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            continue
        color = COLORS(norm(mean))
        axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="white"))
        ink = "black" if np.dot(color[:3], (0.299, 0.587, 0.114)) > 0.5 else "white"
        # Rounded from four decimals, as the tables are: the same score never reads differently in the two.
        spread = "" if std is None else f" ± {number(round(std, 4))}"
        axis.text(x, y - 0.12, f"{number(round(mean, 4))}{spread}", ha="center", va="center", color=ink, fontsize=10)
        axis.text(x, y + 0.25, f"n = {len(values)}", ha="center", va="center", color=ink, fontsize=7)
    axis.set_xlim(-0.5, len(assigners) - 0.5)
    axis.set_ylim(len(heads) - 0.5, -0.5)
    axis.set_xticks(range(len(assigners)), [plain(str(name)) for name in assigners])
    axis.set_yticks(range(len(heads)), [plain(str(name)) for name in heads])
    axis.set_xlabel(ASSIGNER)
    axis.set_ylabel(HEAD)
    axis.grid(False)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    figure.colorbar(mpl.cm.ScalarMappable(norm, COLORS), ax=axis, label="AP (%)")
    return figure
