"""The figure of what the silence costs: every open choice's effect beside the effects that the paper claims."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from triplehead.analysis.figures.style import MEASURED, PAPER, WIDTH, plain, save, style
from triplehead.analysis.silence import Effect
from triplehead.paths import FIGURE_SUFFIXES
from triplehead.plan.plan import Plan

SUFFIXES = ("pdf", "png")


def caption(plan: Plan, frame: pd.DataFrame) -> str:
    """frame: from `read_csv`."""
    metric, seeds = plan.silence.metric, sorted(set(frame["n"]))
    several = seeds[-1] > 1
    number = f"{seeds[0]}" if seeds[0] == seeds[-1] else f"{seeds[0]} to {seeds[-1]}"
    spread = (
        f"dots are means over {number} seeds of the difference from the same seed's default, bars 95% intervals"
        if several
        else "one seed, hence no intervals"
    )
    nothing = "" if plan.scale.meaningful else " At this scale the scores mean nothing."
    return (
        f"What the silence costs ({plan.config.scale} scale): each choice that the paper leaves open, changed alone, "
        f"against the default of {plan.silence.row[1]} unless a label names another row; effect on {metric}; {spread}. "
        "Below, in grey: effects that the paper claims, on its own data; compare their size with the reach of the "
        f"open choices, not with the dots one by one.{nothing}"
    )


def draw(plan: Plan, found: list[Effect]) -> Figure:
    """A line for each variant, grouped by switch, and below them the claims of silence.yaml's `beside`."""
    claims = {claim.id: claim for claim in plan.claims.claims}
    named = [claims[name] for name in plan.silence.beside]
    beside = [(claim.title, claim.published) for claim in named if claim.published is not None]
    lines = len(found) + len(beside) + 1.5
    figure = Figure(figsize=(WIDTH, 0.75 + 0.19 * lines), layout="constrained")
    axis = figure.subplots()
    axis.use_sticky_edges = False  # bars start at nought, the axis before it
    axis.margins(x=0.12)
    ticks: list[tuple[float, str]] = []
    previous, top = None, -0.5
    for place, effect in enumerate(found):
        if previous not in (None, effect.switch):
            axis.axhline(place - 0.5, color="#dddddd", linewidth=0.5)
        previous = effect.switch
        own = "" if effect.row == plan.silence.row[1] else f" [{effect.row}]"
        ticks.append((place, f"{effect.switch}: {effect.default} → {effect.value}{own}"))
        if effect.effect is None:
            axis.text(0, place, "no score", color=PAPER, ha="center", va="center")
            continue
        error = None
        if effect.low is not None and effect.high is not None:
            error = [[effect.effect - effect.low], [effect.high - effect.effect]]
        axis.errorbar(effect.effect, place, xerr=error, fmt="o", color=MEASURED, markersize=4, elinewidth=1, capsize=2)
    bottom = len(found) - 0.5
    axis.axhspan(bottom, bottom + len(beside) + 1, color="#f4f4f4", linewidth=0)
    for place, (title, published) in enumerate(beside, start=len(found)):
        ticks.append((place + 0.5, f"claimed: {title}"))
        axis.barh(place + 0.5, published, height=0.42, color=PAPER)
        axis.annotate(f"{published:+.1f}", (published, place + 0.5), xytext=(4, 0), color="#555555",
                      textcoords="offset points", va="center", fontsize=7.5)  # fmt: skip
    axis.axvline(0, color="black", linewidth=0.7)
    sizes = [abs(effect.effect) for effect in found if effect.effect is not None]
    reach = 1.7 * max([*sizes, *(abs(published) for _, published in beside), 1])
    low, high = axis.get_xlim()  # a wide interval ends at the edge, so that the others can be read
    axis.set_xlim(max(low, -reach), min(high, reach))
    axis.set_yticks([place for place, _ in ticks], [plain(label) for _, label in ticks])
    axis.set_ylim(bottom + len(beside) + 1, top)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(f"effect on {plan.silence.metric} (points)")
    if not plan.scale.meaningful:
        axis.set_title("the scores mean nothing at this scale", loc="right", color=MEASURED)
    return figure


def write_figure(plan: Plan, found: list[Effect], results: Path) -> None:
    """results/silence.pdf and .png, the same bytes each time."""
    with style():
        figure = draw(plan, found)
        for suffix in FIGURE_SUFFIXES:
            save(figure, results / f"silence.{suffix}")
