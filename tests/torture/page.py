"""docs/reliability.md: a row for each fault, with date and commit, to which the parts of a long form are added."""

import math
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
from tests.torture.outcome import Outcome
from tests.torture.project import ROOT
from tests.torture.registry import FAULTS

from triplehead import __version__
from triplehead.engine.runtime import environment
from triplehead.errors import InputError
from triplehead.paths import atomic

HEAD = """# Reliability: what was broken, and what survived

Written by `make torture`, which adds to it: [torture.md](torture.md) says what each fault is and what must hold after
it. A row is of one commit (the last that changed more than documents) and of the day on which its last part was run.
`there`: how many kills came while no more than 0, 20, 40, 60, 80 and 100% of the study's files but its images were there.
"""
LOST, LEFT = "## What was lost", "## Not tried yet, or less often than the long form does"


@dataclass(frozen=True)
class Row:
    """minutes: of all parts, wall clock. seeds: of the moments, of each part. there: kills by what there was then."""

    fault: str
    tried: int
    survived: int
    lost: int
    date: str
    commit: str
    minutes: str
    seeds: str
    machine: str
    there: str = ""


def by_fifths(shares: list[float]) -> str:
    """Of kills: how many at 0, up to 0.2, 0.4, 0.6, 0.8 and 1 of the files; nothing of none."""
    counts = [0] * 6
    for share in shares:
        counts[math.ceil(5 * share)] += 1
    return " ".join(map(str, counts)) if shares else ""


def _sum(one: str, other: str) -> str:
    if not (one and other):
        return one or other
    return " ".join(str(int(a) + int(b)) for a, b in zip(one.split(), other.split(), strict=True))


class Page:
    """The page at `path`, written anew with each outcome; None: nowhere, and it knows of nothing."""

    def __init__(self, path: Path | None):
        self.path, self.commit, self.machine = path, commit(), machine()
        text = path.read_text() if path is not None and path.exists() else ""
        self.rows = read(text)
        self.problems = _lines(text, LOST)

    def tried(self, fault: str) -> int:
        """How often at this commit on this machine."""
        row = self.rows.get(fault)
        return row.tried if row is not None and (row.commit, row.machine) == (self.commit, self.machine) else 0

    def add(self, outcome: Outcome, seed: int, seconds: float) -> None:
        if self.path is None or outcome.skipped or not outcome.tried:
            return
        row = Row(
            outcome.fault, outcome.tried, outcome.survived, outcome.lost, f"{datetime.now(UTC):%Y-%m-%d}", self.commit,
            f"{seconds / 60:.1f}", str(seed), self.machine, by_fifths(outcome.there),
        )  # fmt: skip
        before = self.rows.get(row.fault)
        if before is not None and (before.commit, before.machine) == (row.commit, row.machine):
            row = replace(
                row,
                tried=before.tried + row.tried,
                survived=before.survived + row.survived,
                lost=before.lost + row.lost,
                minutes=f"{float(before.minutes) + seconds / 60:.1f}",
                seeds=" ".join(dict.fromkeys([*before.seeds.split(), row.seeds])),
                there=_sum(before.there, row.there),
            )
        else:
            self.problems = [line for line in self.problems if not line.startswith(f"- {row.fault}: ")]
        self.problems += [f"- {row.fault}: {' '.join(problem.split())}" for problem in outcome.problems]
        self.rows[row.fault] = row
        with atomic(self.path) as file:
            file.write_text(document(self.rows, self.problems))


def document(rows: dict[str, Row], problems: list[str]) -> str:
    names = [field.name for field in fields(Row)]
    order = {fault.name: index for index, fault in enumerate(FAULTS)}
    cells = [asdict(row) for row in sorted(rows.values(), key=lambda row: order.get(row.fault, len(order)))]
    table = [
        f"| {' | '.join(names)} |",
        "|" + "|".join("---:" if name in ("tried", "survived", "lost", "minutes") else "---" for name in names) + "|",
        *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in cells),
    ]
    done = {name: row.tried for name, row in rows.items()}
    left = [
        f"- {fault.name}: {done.get(fault.name, 0)} of {fault.times}"
        for fault in FAULTS
        if done.get(fault.name, 0) < fault.times
    ]
    parts = [HEAD.strip(), "\n".join(table)]
    parts += [f"{title}\n\n" + "\n".join(lines) for title, lines in ((LOST, problems), (LEFT, left)) if lines]
    return "\n\n".join(parts) + "\n"


def read(text: str) -> dict[str, Row]:
    """The rows of a page that `document` wrote; InputError for one that it did not."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "fault":
            continue
        try:
            fault, tried, survived, lost, *rest = cells
            found[fault] = Row(fault, int(tried), int(survived), int(lost), *rest)
        except (ValueError, TypeError):
            raise InputError("page of torture", f"no row of an outcome: {line}") from None
    return found


def _lines(text: str, title: str) -> list[str]:
    part = text.partition(f"{title}\n")[2].partition("\n## ")[0]
    return [line for line in part.splitlines() if line.startswith("- ")]


def commit() -> str:
    """The last commit that changed more than documents; the package's version outside of a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments, "--", ".", ":!docs"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    try:
        found = git("log", "-1", "--format=%h")
        return found + " and changes" * bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return __version__


def machine() -> str:
    processor = re.sub(r"\(R\)|\(TM\)| Processor| CPU.*", "", environment()["processor"])
    return f"{psutil.cpu_count()} cores of {processor}, {platform.system()}".replace("|", " ")
