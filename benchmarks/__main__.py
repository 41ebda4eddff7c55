"""`python -m benchmarks [SUBJECT ...]`, from the project's root: CPU time on one thread, side by side, as ratios.

Prints a table and writes benchmarks/ratios-<processor>-<date>.json.
"""

import json
import re
import sys
from dataclasses import asdict
from datetime import date
from importlib import import_module
from pathlib import Path

import torch
from benchmarks.measure import Result

from triplehead.engine import runtime

SUBJECTS = ("assigner", "step", "parts", "inference", "evaluation", "plan")


def main(subjects: list[str]) -> None:
    unknown = [name for name in subjects if name not in SUBJECTS]
    if unknown:
        sys.exit(f"benchmarks: no subject {unknown[0]!r}; there are {', '.join(SUBJECTS)}")
    torch.set_num_threads(1)
    rows = []
    for name in subjects or SUBJECTS:
        for row in import_module(f"benchmarks.{name}").run():
            rows.append(asdict(row))
            print(_line(row), flush=True)
    environment = runtime.environment()
    processor = re.sub(r"[^a-z0-9]+", "-", environment["processor"].lower()).strip("-")
    path = Path(__file__).parent / f"ratios-{processor}-{date.today().isoformat()}.json"
    record = {"unit": "CPU seconds, median; one thread", "environment": environment, "rows": rows}
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(path)


def _line(row: Result) -> str:
    middle, low, high = row.ratio
    pair = f"{row.ours} {digits(1000 * row.seconds)} ms, {row.other} {digits(1000 * row.other_seconds)} ms"
    target = f", target {row.target}: {'met' if met(row) else 'missed'}" if row.target else ""
    return f"{row.subject}: {pair}, ratio {digits(middle)} ({digits(low)} to {digits(high)}){target}"


def cells(row: Result) -> str:
    """The row of docs/performance.md's table."""
    middle, low, high = row.ratio
    verdict = ("yes" if met(row) else "**no**") if row.target else ""
    ours, other = (
        f"{name} {digits(1000 * seconds)}"
        for name, seconds in ((row.ours, row.seconds), (row.other, row.other_seconds))
    )
    ratio = f"{digits(middle)} ({digits(low)} to {digits(high)})"
    return f"| {row.subject} | {ours} | {other} | {ratio} | {row.target} | {verdict} |"


def met(row: Result) -> bool:
    """Whether the median ratio is on the target's side, for example of ">= 60"."""
    side, bound = row.target.split()
    return row.ratio[0] >= float(bound) if side == ">=" else row.ratio[0] <= float(bound)


def digits(value: float) -> str:
    """Three of them: 0.413, 56.6, 1,850."""
    return f"{float(f'{value:.3g}'):,.10g}"


if __name__ == "__main__":
    main(sys.argv[1:])
