"""What `triplehead plan --power` prints."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from triplehead.analysis.power import MOST, Needed, claimed_differences, needed
from triplehead.cli.app import scale_line
from triplehead.cli.tables import Column, show
from triplehead.plan.plan import Plan


def show_power(plan: Plan, results: Path, as_json: bool) -> None:
    """The seeds that each claimed difference would take, as a table or as JSON."""
    found = list(needed(plan, results, claimed_differences(plan)))
    if as_json:
        print(
            json.dumps({"scale": plan.config.scale, "power": 0.8, "differences": [asdict(e) for e in found]}, indent=1)
        )
        return
    columns = [Column("difference"), Column("paper", number=True), Column("measured", number=True),
               Column("std (n)", number=True, below=True), Column("seeds", number=True)]  # fmt: skip
    rows = [(escape(_name(each)), f"{each.claimed:.1f}", *_measured(each), _seeds(each)) for each in found]
    console = Console()
    console.print(scale_line(plan))
    show(console, columns, rows, "Seeds to see a difference of the size that the paper prints")
    console.print(
        "Power 80%, two-sided 5%, paired by seed and image; the noise is measured at this scale, the difference is the "
        "paper's. std: of the paired difference, at least what its resamples allow; uncertain where n is small. "
        f"none: {MOST:,} are too few, mostly since no seed lessens the noise of the validation images."
    )


def _name(each: Needed) -> str:
    metric = "" if each.metric == "AP" else f", {each.metric}"
    return f"{each.a[0]}{metric}: {each.a[1]} - {each.b[1]}"


def _measured(each: Needed) -> tuple[str, str]:
    found = each.measured
    if found.value is None:
        return "", ""
    return f"{found.value:.1f}", "" if each.std is None else f"{each.std:.2f} ({found.n})"


def _seeds(each: Needed) -> str:
    if each.seeds is not None:
        return str(each.seeds)
    return "none" if each.hopeless else "not measured"
