"""What the view reads of a run's files."""

import csv
import json
from pathlib import Path
from typing import Any

from triplehead.errors import InputError
from triplehead.tracking.store import reason


def read_history(file: Path) -> list[dict[str, float]]:
    """The records of a history.csv; it holds no times, so one a second up to when the file was written."""
    try:
        with file.open(newline="") as stream:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
        written = file.stat().st_mtime
        return [
            row | {"iteration": int(row["iteration"]), "time": written - len(rows) + 1 + index}
            for index, row in enumerate(rows)
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(file, f"not a training history ({reason(error)})") from error


def read_json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(file, f"not valid JSON ({reason(error)})") from error
    if not isinstance(values, dict):
        raise InputError(file, f"expected an object, found {type(values).__name__}")
    return values
