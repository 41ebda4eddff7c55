"""What MLflow may not have heard out: a mark for each training, and for the tables, from a job's first word to it until
its last. Where one stays although the job's files are there, the rule `tracked` logs them once more."""

from contextlib import suppress

from triplehead import paths
from triplehead.tracking.store import sqlite_file

ALL = "tables"  # the mark of tables, claims and report
MARKS = paths.RESULTS / paths.UNLOGGED


class Mark:
    """name: a run's id, or ALL. A disk that refuses it is no matter: logging once more adds nothing."""

    def __init__(self, name: str):
        self.file = MARKS / name

    def set(self) -> None:
        with suppress(OSError):
            MARKS.mkdir(parents=True, exist_ok=True)
            self.file.touch()

    def take_away(self) -> None:
        with suppress(OSError):
            self.file.unlink(missing_ok=True)


def mark_if_gone(uri: str) -> None:
    """A local store that somebody deleted has heard of no run that has ended."""
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        for scores in paths.RUNS.glob("*/scores.json"):
            Mark(scores.parent.name).set()


def unlogged() -> list[str]:
    """Ids of runs with scores (and ALL) that have a mark."""
    names = sorted(file.name for file in MARKS.glob("*"))
    return [name for name in names if name == ALL or (paths.RUNS / name / "scores.json").exists()]
