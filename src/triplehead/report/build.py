"""reports/report.pdf and .html from one content: Typst sets the pages, Jinja the one that a browser shows."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import typst

from triplehead.analysis.figures import OVERVIEW_OF, comparison, overview, overviews
from triplehead.analysis.figures import caption as figure_caption
from triplehead.analysis.figures import figures as figure_names
from triplehead.analysis.figures.style import save, say_scale, style
from triplehead.analysis.silence import is_of
from triplehead.analysis.silence import read_csv as read_silence
from triplehead.analysis.silence import summary as silence_summary
from triplehead.analysis.silence_figure import caption as silence_caption
from triplehead.analysis.tables import TABLES, read_csv
from triplehead.errors import InputError
from triplehead.paths import FIGURE_SUFFIXES, atomic, workplace
from triplehead.plan.plan import Plan
from triplehead.report.claims import audit_content, claims_content
from triplehead.report.content import figure_numbers, report_content
from triplehead.report.engines import engines_content
from triplehead.report.own import own_content
from triplehead.report.page import PAGE, page

TEMPLATE = Path("reports/report.typ")


def build_report(plan: Plan, results: Path, out: Path, template: Path = TEMPLATE) -> None:
    """Write the report as PDF and, beside it, as one HTML page: the same results give the same bytes.

    Reads `results`/table*.csv, the figures' PDFs and PNGs, claims.csv, the data's manifest, and of the runs scores.json
    and environment.json; silence.csv, .pdf and .png where they are there and of this plan; the scores of
    the same runs by the other engine, where that made them. The page's template lies
    beside `template`. Raises InputError naming what is missing, or why a template does not compile.
    """
    names = [name for name, exhibit in plan.exhibits.items() if exhibit.kind in TABLES]
    frames = {name: _table(plan, name, results / f"{name}.csv") for name in names}
    content = report_content(plan, results, frames)
    if plan.claims.claims:
        content["claims"] = claims_content(plan, results)
    content["audit"] = audit_content()
    content["own"] = own_content(plan, results, frames)
    content["engines"] = engines_content(plan, results)
    if not template.is_file():
        raise InputError(template, "no such file; run from the project's root")
    with workplace(out) as folder:
        content["figures"] = _figures(plan, results, frames, folder)
        content["silence"] = _silence(plan, results, folder)
        (folder / "report.json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        source = folder / "report.typ"
        source.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        try:
            # Only the fonts that come with Typst: the same pages on every machine.
            pdf = typst.Compiler(root=str(folder), ignore_system_fonts=True).compile(str(source), timestamp=0)
        except typst.TypstError as error:
            raise InputError(template, f"does not compile ({' '.join(str(error).split())})") from None
        html = page(content, folder, template.with_name(PAGE))
    assert isinstance(pdf, bytes)  # of one document, where no file is named
    with atomic(out) as file, atomic(out.with_suffix(".html")) as beside:
        file.write_bytes(pdf)
        beside.write_text(html, encoding="utf-8")


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
    """Put into `folder` all figures that the plan has -> name, heading, caption and section of each."""
    figures, numbers = [], figure_numbers(plan)
    for name in overviews(plan):
        _copy(results, name, folder)
        figures.append((name, "Overview", "front", overview.caption(plan, frames[OVERVIEW_OF])))
    if any(plan.exhibits[name].kind == "scores" for name in frames):
        with style():
            figure = comparison.draw(plan, frames)
            say_scale(figure, plan)
            for suffix in FIGURE_SUFFIXES:
                save(figure, folder / f"comparison.{suffix}")
        figures.append(("comparison", "Figure A", "scores", comparison.caption(plan, frames)))
    for name in figure_names(plan):
        _copy(results, name, folder)
        section = "yours" if name in plan.own else "own" if plan.exhibits[name].section is None else "paper"
        figures.append((name, f"Figure {numbers[name]}", section, figure_caption(plan, name)))
    return [dict(zip(("name", "heading", "section", "caption"), figure, strict=True)) for figure in figures]


def _copy(results: Path, name: str, folder: Path) -> None:
    for made in (results / f"{name}.{suffix}" for suffix in FIGURE_SUFFIXES):
        if not made.is_file():
            raise InputError(made, "no such figure; make it first")
        (folder / made.name).write_bytes(made.read_bytes())


def _silence(plan: Plan, results: Path, folder: Path) -> dict[str, Any] | None:
    """Put the figure of the open choices into `folder` -> its name, caption and summary; None where there is none."""
    files = [results / f"silence.{suffix}" for suffix in ("csv", *FIGURE_SUFFIXES)]
    if not (plan.variants and all(file.is_file() for file in files)):
        return None
    frame = read_silence(files[0])
    if not is_of(plan, frame):
        return None
    _copy(results, "silence", folder)
    texts = {"caption": silence_caption(plan, frame), "summary": silence_summary(plan, frame)}
    return {"name": "silence", "heading": "Figure S"} | texts
