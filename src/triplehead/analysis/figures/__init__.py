"""The figures: which there are, what each reads, and how one becomes results/<name>.pdf and .png.

A figure's module has `draw(plan, exhibit, results) -> Figure` and `caption(plan, exhibit) -> sentences`. The overview
is no exhibit: it is drawn from a finished table. This file imports neither matplotlib nor torch: Snakemake reads it
while it builds the DAG.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from triplehead.errors import InputError
from triplehead.paths import FIGURE_SUFFIXES
from triplehead.plan.plan import Plan

OVERVIEW, OVERVIEW_OF = "overview", "table5"  # the figure that stands for the whole study, and its table


@dataclass(frozen=True)
class Source:
    """A figure's module beside this file, and what it reads."""

    module: str
    reads: tuple[str, ...]  # files of each of its runs
    data: bool = False  # and of their data


FIGURES = {
    "fig4": Source("assignments", ("assignments.json.gz", "history.csv"), data=True),
    "fig5": Source("iou_shares", ("detections.json.gz",), data=True),
    "fig6": Source("detections", ("detections.json.gz",), data=True),
    "fig_learning_curves": Source("learning_curves", ("history.csv",)),
    "fig_ap_by_size": Source("ap_by_size", ("scores.json", "replicates.npz")),
    "fig_heads_by_assigners": Source("heads_by_assigners", ("scores.json",)),
}


def figures(plan: Plan) -> list[str]:
    """The plan's figures. Raises InputError for one that nothing here can draw."""
    names = [name for name, exhibit in plan.exhibits.items() if exhibit.kind == "figure"]
    for name in names:
        source_of(plan, name)
    return names


def overviews(plan: Plan) -> list[str]:
    """The overview's name, where the plan has the table that it is drawn from."""
    return [OVERVIEW] if OVERVIEW_OF in plan.exhibits else []


def source(exhibit: str) -> Source:
    """Raises InputError for a figure that is not in FIGURES."""
    if exhibit not in FIGURES:
        raise InputError(exhibit, f"no such figure; allowed: {', '.join(FIGURES)}")
    return FIGURES[exhibit]


def source_of(plan: Plan, exhibit: str) -> Source:
    """That of the figure as which an exhibit is drawn: its own, unless it says another."""
    return source(plan.exhibits[exhibit].drawn_as or exhibit)


def inputs(plan: Plan, exhibit: str) -> list[str]:
    """The files that a figure is drawn from, below results/."""
    wanted = source_of(plan, exhibit)
    runs = plan.run_ids(exhibit)
    files = [f"runs/{run}/{name}" for run in runs for name in wanted.reads]
    if wanted.data:
        files += sorted({f"data/{plan.run(run).data_id}/manifest.json" for run in runs})
    return files


def write_figure(plan: Plan, exhibit: str, results: Path) -> None:
    """Draw `results`/<exhibit>.pdf and .png, the same bytes each time. Raises InputError naming what is missing."""
    from triplehead.analysis.figures.style import save, say_scale, style

    if exhibit in overviews(plan):
        from triplehead.analysis.figures.overview import draw
    else:
        draw = _module(plan, exhibit).draw
    with style():
        figure = draw(plan, exhibit, results)
        say_scale(figure, plan)
        for suffix in FIGURE_SUFFIXES:
            save(figure, results / f"{exhibit}.{suffix}")


def caption(plan: Plan, exhibit: str) -> str:
    """What a figure shows, where it is in the paper, and what its scale makes of it."""
    declared, scale = plan.exhibits[exhibit], plan.config.scale
    place = "beyond the paper" if declared.section is None else f"section {declared.section} of the paper"
    if exhibit in plan.own:
        place = "your own experiment, not the paper's"
    sentences = [f"{declared.title} ({place}; {scale} scale).", *_module(plan, exhibit).caption(plan, exhibit)]
    if not plan.scale.meaningful:
        sentences.append("At this scale it shows only that everything runs: the detectors have hardly learned.")
    return " ".join([*sentences, *declared.notes])


def check_figure(plan: Plan, exhibit: str) -> None:
    """Raises InputError for what is neither a figure of the plan nor its overview."""
    if exhibit not in (known := [*overviews(plan), *figures(plan)]):
        raise InputError(exhibit, f"no such figure; allowed: {', '.join(known)}")


def _module(plan: Plan, exhibit: str) -> ModuleType:
    check_figure(plan, exhibit)
    return import_module(f"{__name__}.{source_of(plan, exhibit).module}")
