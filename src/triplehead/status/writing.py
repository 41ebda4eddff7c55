"""What comes after the runs: tables, figures, speed, the ledger of claims, the report; and which of it is at work."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from triplehead import paths
from triplehead.analysis.claims.inputs import inputs
from triplehead.plan.plan import Plan

TRAINING = ("train", "data", "pretrain")  # have lines of their own


def to_write(plan: Plan, root: Path, unfinished: Iterable[str], newest: float) -> tuple[str, ...]:
    """The kinds of work that are left, for example "3 tables"; newest: time of the last run's scores, which no file
    that is made of them is older than."""
    names = set(unfinished)
    figures = sum(plan.exhibits[name].kind == "figure" for name in names)
    counted = ((len(names) - figures, "table"), (figures, "figure"))
    found = [f"{n} {kind}{'s' if n > 1 else ''}" for n, kind in counted if n]
    results = root / paths.RESULTS
    speed = [results / "speed" / f"{name}.json" for name, each in plan.exhibits.items() if each.kind == "speed"]
    judged = max((_time(results / file) for file in inputs(plan)), default=0.0)
    files = {
        "speed": (speed, 0.0),
        "claims": ([results / "claims.csv"] if plan.claims.claims else [], judged),
        "report": ([root / "reports" / f"report.{suffix}" for suffix in ("pdf", "html")], newest),
    }
    for name, (made, since) in files.items():
        if not all(file.is_file() and _time(file) >= since for file in made):
            found.append(name)
    return tuple(found)


def _time(file: Path) -> float:
    return file.stat().st_mtime if file.is_file() else 0.0


def at_work(snakemakes: Iterable[int]) -> tuple[str, ...]:
    """The commands of this suite that these Snakemakes have started here, those of runs and data left out: "table
    table5"."""
    found: dict[str, None] = {}
    for pid in snakemakes:
        with suppress(psutil.Error):
            for process in psutil.Process(pid).children(recursive=True):
                with suppress(psutil.Error):
                    words = process.cmdline()
                    place = next((i for i, word in enumerate(words[:2]) if Path(word).name == "triplehead"), None)
                    command = [] if place is None else words[place + 1 :]
                    if command and command[0] not in TRAINING:
                        found[" ".join(command[:2])] = None
    return tuple(found)
