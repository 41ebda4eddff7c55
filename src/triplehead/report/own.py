"""The report's section on the user's own experiments, kept apart from all that is the paper's."""

from pathlib import Path
from typing import Any

import pandas as pd

from triplehead.analysis.layout import table_layout
from triplehead.analysis.speed import caption_sentences
from triplehead.plan.options import OwnPart
from triplehead.plan.plan import Plan
from triplehead.report.content import printed_table


def own_content(plan: Plan, results: Path, frames: dict[str, pd.DataFrame]) -> dict[str, Any] | None:
    """Folder, classes and tables; None without experiments of the user's. Their claims are among the ledger's (`own`),
    their figures among the figures (`yours`)."""
    if not plan.own or plan.config.extra is None:
        return None
    return {
        "folder": Path(plan.config.extra).name,
        "classes": classes(plan),
        "tables": [
            printed_table(table_layout(plan, name, frame, caption_sentences(plan, name, results)), [])
            for name, frame in frames.items()
            if name in plan.own
        ],
    }


def classes(plan: Plan) -> list[dict[str, str]]:
    """Each class that a run uses, with its options, the digest of its source, and the user's rows behind it."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for run in plan.runs.values():
        detector = run.spec.detector
        loss = getattr(detector, "loss", None)
        for part in (getattr(detector, "head", None), getattr(detector, "assigner", None), getattr(loss, "box", None)):
            if not isinstance(part, OwnPart):
                continue
            options = ", ".join(f"{key} {'none' if value is None else value}" for key, value in part.options.items())
            line = lines.setdefault(
                (part.path, options),
                {"class": part.path, "options": options or "none", "source": part.source, "used": []},
            )
            line["used"] += [f"{exhibit}: {label}" for exhibit, label in run.users]
    return [line | {"used": "; ".join(dict.fromkeys(line["used"]))} for line in lines.values()]
