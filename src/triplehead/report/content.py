"""Everything the report says, as plain data that the template prints."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from triplehead.analysis.layout import TableLayout, table_layout
from triplehead.analysis.printing import metric_parts, number, plain
from triplehead.analysis.speed import caption_sentences
from triplehead.analysis.statistics.origins import ORIGINS
from triplehead.analysis.statistics.samples import read_scores
from triplehead.data.prepare import read_manifest
from triplehead.digests import altered, asked_of, made_by
from triplehead.plan.calibration import CALIBRATION, read_calibration
from triplehead.plan.cost import amount, estimate
from triplehead.plan.options import LAYOUTS, AnyScenes, CocoFolder, Folder
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.reading import read_mapping
from triplehead.report.choices import choices_in_force, departures

ENVIRONMENT = (
    "triplehead",
    "python",
    "system",
    "machine",
    "processor",
    "gpu",
    "cuda",
)  # first in the appendix, then packages


def report_content(plan: Plan, results: Path, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The sections of the report; frames: exhibit -> its table.

    Reads `results`/runs/<id>/environment.json and scores.json, speed/<exhibit>.json and, where there is one,
    calibration.json. Raises InputError naming
    the file.
    """
    scale, config = plan.config.scale, plan.config.model_dump(mode="json")
    if plan.config.extra is not None:  # jobs get it with its whole path, which is a machine's
        config["extra"] = Path(plan.config.extra).name
    layouts = [
        table_layout(plan, name, frame, caption_sentences(plan, name, results))
        for name, frame in frames.items()
        if name not in plan.own
    ]
    definitions = shared_sentences(layouts)
    return {
        "scale": scale,
        "about": plan.scale.about + (f" Set otherwise here: {plan.conditions}." if plan.conditions else ""),
        "is_paper": plan.at_paper_scale,
        "meaningless": not plan.scale.meaningful,
        "seeds": plan.config.seeds or plan.scale.seeds,
        "num_runs": len(plan.runs),
        "num_specs": len({run.spec.group for run in plan.runs.values()}),
        "data": data_sentences(plan.data, results / "data"),
        "definitions": definitions,
        "tables": [printed_table(layout, definitions) for layout in layouts],
        "ran": trained_specs(plan),
        "cost": cost_sentence(plan, results),
        "choices": choices_in_force(plan),
        "departures": departures(plan),
        "environment": environment(plan, results / "runs"),
        "config": {key: _setting(value) for key, value in config.items()},
        "runs": provenance(plan, results / "runs"),
        "altered": [
            [each.file, each.problem]
            for each in altered(results, made_by(plan, results), asked_of(plan, results))[0]
            if not each.file.startswith("reports/")
        ],
    }


def data_sentences(data: dict[str, RunSpec], folder: Path) -> list[str]:
    """What the images are, in a sentence for each data set, counted in its manifest `folder`/<id>; what all scenes
    share is said once."""
    scenes = any(isinstance(spec.data, AnyScenes) for spec in data.values())
    shared = (
        "Embedded digit scenes show scikit-learn's handwritten digits; no digit is in both the training and the "
        "validation images."
    )
    return [*([shared] if scenes else ()), *(_data_sentence(spec, folder / name) for name, spec in data.items())]


def _data_sentence(spec: RunSpec, folder: Path) -> str:
    splits = read_manifest(folder)["splits"]
    train, val = (f"{splits[split]['num_images']:,}" for split in ("train", "val"))
    data = spec.data
    if isinstance(data, AnyScenes):
        size, (fewest, most) = data.image_size, data.objects
        return (
            f"Scenes in {LAYOUTS[data.layout]}'s layout: {train} for training, {val} for validation, {size} × {size} "
            f"pixels, {fewest} to {most} digits of {data.num_classes} classes in each."
        )
    return (
        f"The data are the user's images in {LAYOUTS[data.layout]}'s layout: {train} for training "
        f"({_listed_in(data, 'train')}), {val} for validation ({_listed_in(data, 'val')})."
    )


def _listed_in(data: Folder, split: str) -> str:
    """The file, folder or image sets of a split."""
    listed = getattr(data, f"{split}_annotations" if isinstance(data, CocoFolder) else split)
    return listed if isinstance(listed, str) else " and ".join(listed)


def shared_sentences(layouts: list[TableLayout]) -> list[str]:
    """What every table of scores would say below or above it: the report says it once."""
    said = [
        [*layout.definitions, *(text for letter, text in layout.notes if not letter)]
        for layout in layouts
        if layout.kind == "scores"
    ]
    return [text for text in said[0] if all(text in others for others in said)] if len(said) > 1 else []


def printed_table(layout: TableLayout, elsewhere: list[str]) -> dict[str, Any]:
    """A table as the templates take it: numbers are text already. elsewhere: sentences that stand before the tables."""
    return {
        "heading": layout.heading,
        "title": layout.title,
        "caption": " ".join([*layout.caption, *(text for text in layout.definitions if text not in elsewhere)]),
        "transposed": layout.transposed,
        "has_std": layout.has_std,
        "left": list(layout.left),
        "left_text": [_is_text(layout, index) for index in range(len(layout.left))],
        "metrics": [list(metric_parts(metric)) for metric in layout.metrics],
        "lines": [
            {
                "label": line.label,
                "group": line.group,
                "note": line.note,
                "marked": line.marked,
                "left": [value if isinstance(value, bool) else plain(value) for value in line.left],
                "cells": [
                    {
                        "published": number(cell.published, cell.digits),
                        "mean": cell.measured,
                        "std": number(cell.std, cell.digits),
                        "below": cell.below,
                        "best_published": cell.best_published,
                        "best_measured": cell.best_measured,
                    }
                    for cell in line.cells
                ],
            }
            for line in layout.lines
        ],
        "notes": [list(note) for note in layout.notes if note[0] or note[1] not in elsewhere],
    }


def _is_text(layout: TableLayout, index: int) -> bool:
    """A column of names is set flush left; ticks and numbers are centred."""
    return all(isinstance(line.left[index], str) for line in layout.lines)


def trained_specs(plan: Plan) -> list[dict[str, Any]]:
    """One line for each distinct spec: the rows that it serves, its parts, schedule and seeds."""
    lines: dict[str, dict[str, Any]] = {}
    for run in plan.runs.values():
        spec = run.spec
        line = lines.setdefault(
            spec.group,
            {
                "used": [f"{short(plan, exhibit)}: {label}" for exhibit, label in dict.fromkeys(run.users)],
                "name": spec.short_name,
                "iterations": f"{spec.schedule.iterations:,}",
                "batch": str(spec.schedule.batch_size),
                "input": f"{spec.input.short} × {spec.input.long}",
                "seeds": 0,
            },
        )
        line["seeds"] += 1
    return list(lines.values())


def cost_sentence(plan: Plan, results: Path) -> str:
    """What all runs take by the estimate of `triplehead plan`, or that nobody has measured it."""
    found = estimate(plan, read_calibration(results / CALIBRATION.name))
    known = len(plan.runs) - len(found.unknown)
    if not known:
        return f"What these runs cost was not measured: {plan.command('triplehead plan --calibrate')} does so."
    of = "all runs" if known == len(plan.runs) else f"{known} of {len(plan.runs)} runs (the others were not measured)"
    return f"By estimate, {of} together take {amount(found.total, f'{found.device.upper()}-')} (by {found.source})."


def environment(plan: Plan, runs: Path) -> list[list[str]]:
    """(name, value) of what the runs recorded; several values where the runs differ."""
    values: dict[str, list[str]] = {}
    for run_id in plan.runs:
        for key, value in _read(runs / run_id / "environment.json").items():
            if key not in ORIGINS and str(value) not in values.setdefault(key, []):
                values[key].append(str(value))
    order = [key for key in ENVIRONMENT if key in values] + [key for key in values if key not in ENVIRONMENT]
    return [[key, "; ".join(values[key])] for key in order]


def provenance(plan: Plan, runs: Path) -> list[dict[str, str]]:
    """Each run: id (ends in the digest of its spec), the rows it serves, AP, digests of data and scores.

    AP is averaged as the first table of scores that prints the run has it: another table's cell is that table's own.
    """
    lines = []
    for run_id, run in plan.runs.items():
        path = runs / run_id / "scores.json"
        average = printed_average(plan, run.users)
        lines.append(
            {
                "id": run_id,
                "used": ", ".join(dict.fromkeys(short(plan, exhibit) for exhibit, _ in run.users)),
                "AP": number(read_scores(path, (average,))[average]),
                "scores": hashlib.sha256(path.read_bytes()).hexdigest()[:10],
                "data": str(_read(runs / run_id / "environment.json").get("data", ""))[:10],
            }
        )
    return lines


def printed_average(plan: Plan, users: list[tuple[str, str]]) -> str:
    """The entry of scores.json that the first table of scores among `users` prints as AP."""
    tables = [exhibit for name, _ in users if (exhibit := plan.exhibits[name]).kind == "scores"]
    return f"AP_{tables[0].average}" if tables and tables[0].average else "AP"


def figure_numbers(plan: Plan) -> dict[str, str]:
    """The paper's figures keep their numbers; ours letters, A the comparison of the tables; the user's have names."""
    names = [name for name, exhibit in plan.exhibits.items() if exhibit.kind == "figure" and name not in plan.own]
    letters = iter("BCDEFGHIJKLMNOPQRSTUVWXYZ")
    own = {
        name: f"({name})" for name, exhibit in plan.exhibits.items() if exhibit.kind == "figure" and name in plan.own
    }
    return own | {
        name: next(letters) if plan.exhibits[name].section is None else name.removeprefix("fig") for name in names
    }


def short(plan: Plan, exhibit: str) -> str:
    """table5 -> T5, fig4 -> F4, fig_ap_by_size -> FB."""
    if exhibit in plan.own:
        return exhibit
    figures = figure_numbers(plan)
    return f"F{figures[exhibit]}" if exhibit in figures else exhibit.replace("table", "T")


def _setting(value: Any) -> str:
    return "none" if value is None else str(value)


def _read(path: Path) -> dict[str, Any]:
    return read_mapping(path, "no such file: the run is not complete")
