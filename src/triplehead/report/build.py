"""reports/report.pdf: content and figures into a temporary folder, Typst over them, PDF moved into place."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import typst

from triplehead.analysis.tables import TABLES, read_csv
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.plan import Plan
from triplehead.report.content import report_content
from triplehead.report.detections import FEWEST_OBJECTS, THRESHOLD, detections_figure
from triplehead.report.figures import comparison_figure, learning_curves

TEMPLATE = Path("reports/report.typ")


def build_report(plan: Plan, results: Path, out: Path, template: Path = TEMPLATE) -> None:
    """Write the report as PDF: the same results give the same bytes.

    Reads `results`/table*.csv, the data's manifest and validation images, and of the runs scores.json,
    environment.json, history.csv and detections.json.gz. Figures made elsewhere are added if they lie at
    `results`/fig*.svg. Raises InputError naming what is missing, or why the template does not compile.
    """
    names = [name for name, exhibit in plan.exhibits.items() if exhibit.kind in TABLES]
    frames = {name: _table(plan, name, results / f"{name}.csv") for name in names}
    content = report_content(plan, results, frames)
    if not template.is_file():
        raise InputError(template, "no such file; run from the project's root")
    with tempfile.TemporaryDirectory(prefix="triplehead-report-") as name:
        folder = Path(name)
        content["figures"] = _figures(plan, results, frames, folder)
        (folder / "report.json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        source = folder / "report.typ"
        source.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        try:
            # Only the fonts that come with Typst: the same pages on every machine.
            pdf = typst.Compiler(root=str(folder), ignore_system_fonts=True).compile(str(source), timestamp=0)
        except typst.TypstError as error:
            raise InputError(template, f"does not compile ({' '.join(str(error).split())})") from None
    with atomic(out) as file:
        file.write_bytes(pdf)


def _table(plan: Plan, exhibit: str, path: Path) -> pd.DataFrame:
    """The table at `path`; it must be of this plan, so that no scale passes for another."""
    frame, metrics = read_csv(path), plan.exhibits[exhibit].metrics
    measured = plan.exhibits[exhibit].kind != "parameters"
    expected = [
        (row.label, metric, ";".join(plan.run_ids(exhibit, row.label)) if measured else "")
        for row in plan.exhibits[exhibit].rows
        for metric in metrics
    ]
    if list(zip(frame["label"], frame["metric"], frame["run_ids"], strict=True)) != expected:
        problem = f"holds other rows or runs than scale {plan.config.scale} asks for; make it again"
        raise InputError(path, problem)
    return frame


def _figures(plan: Plan, results: Path, frames: dict, folder: Path) -> list[dict[str, Any]]:
    """Draw into `folder` what the plan has rows for; -> file, caption and the section it belongs to."""
    scale, figures = plan.config.scale, []

    def add(path: Path, section: str, caption: str) -> None:
        figures.append({"file": path.name, "section": section, "caption": caption})

    if any(plan.exhibits[name].kind == "scores" for name in frames):
        scores = [frame for name, frame in frames.items() if plan.exhibits[name].kind == "scores"]
        several = any(frame["std"].notna().any() for frame in scores)
        spread = "bars are one sample standard deviation" if several else "one seed each, hence no bars"
        nothing = " At this scale the measured scores mean nothing." if not plan.scale.meaningful else ""
        add(
            comparison_figure(plan, frames, folder / "comparison.svg"),
            "scores",
            f"Order of the rows in AP: published by the paper (left), measured at the {scale} scale (right; "
            f"{spread}). Each panel has its own axis: compare orders, not sizes.{nothing}",
        )
    labels = tuple(label for label in ("FCOS", "JLA", "All") if ("table5", label) in plan.specs)
    if labels:
        several = (plan.config.seeds or plan.scale.seeds) > 1
        seeds = "mean over seeds, band from smallest to largest" if several else "one seed"
        add(
            learning_curves(plan, results / "runs", folder / "learning_curves.svg"),
            "pictures",
            f"Training losses of Table 5's rows ({scale} scale, {seeds}; moving mean over a twentieth of "
            "training). Each row chooses its own positives, so a lower loss is not a better detector.",
        )
        add(
            detections_figure(plan, results, folder / "detections.png", labels=labels),
            "pictures",
            f"The first validation images with at least {FEWEST_OBJECTS} objects, under rows of Table 5 "
            f"({scale} scale, first seed). Dashed white: ground truth. Coloured: detections with a score of "
            f"at least {THRESHOLD}, with their class.",
        )
    for name, exhibit in plan.exhibits.items():
        made = results / f"{name}.svg"
        if exhibit.kind == "figure" and made.is_file():
            (folder / made.name).write_bytes(made.read_bytes())
            place = f"figure {name.removeprefix('fig')}, section {exhibit.section} of the paper"
            add(folder / made.name, "pictures", f"{exhibit.title} ({place}; {scale} scale).")
    return figures
