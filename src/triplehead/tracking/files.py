"""What the view reads of a run's files."""

import csv
from pathlib import Path
from typing import Any

from triplehead.errors import InputError, shown
from triplehead.paths import COUNTS, DIVERGED
from triplehead.reading import read_mapping
from triplehead.tracking.runlog import MARK
from triplehead.tracking.store import reason


def read_history(file: Path) -> list[dict[str, float]]:
    """The records of a history.csv; it holds no times, so one a second up to when the file was written."""
    try:
        with file.open(newline="") as stream:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
        written = file.stat().st_mtime
        return [
            row | {"iteration": int(row["iteration"]), MARK: row[MARK], "time": written - len(rows) + 1 + index}
            for index, row in enumerate(rows)
        ]
    except (OSError, KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise InputError(file, f"not a training history ({reason(error)})") from error


def read_scores(file: Path) -> tuple[dict[str, Any], Any]:
    """The scores of a scores.json, and what it says of a run that diverged; None of others."""
    found = read_mapping(file)
    diverged, numbers = found.pop(DIVERGED, None), {}
    for name, value in found.items():
        if value is not None and name not in COUNTS:
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError, OverflowError):
                raise InputError(file, f"{name}: expected a number or null, found {shown(value)}") from None
    return numbers, diverged
