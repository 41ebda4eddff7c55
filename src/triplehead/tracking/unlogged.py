"""What MLflow may not have heard out: a mark for each training, and for the tables, from a job's first word to it until
its last. Where one stays although the job's files are there, the rule `tracked` logs them once more."""

from collections.abc import Callable
from contextlib import suppress

from triplehead import paths

TABLES = "tables"
MARKS = paths.RESULTS / "unlogged"


def mark(name: str) -> Callable[[], None]:
    """Set a mark; what is returned takes it away. name: a run's id, or TABLES."""
    file = MARKS / name
    with suppress(OSError):  # a disk that refuses this refuses the job's files, too
        MARKS.mkdir(parents=True, exist_ok=True)
        file.touch()

    def heard() -> None:
        with suppress(OSError):  # logged once more, then, which adds nothing
            file.unlink(missing_ok=True)

    return heard


def unlogged() -> list[str]:
    """Ids of runs with scores (and TABLES) that have a mark."""
    names = sorted(file.name for file in MARKS.glob("*"))
    return [name for name in names if name == TABLES or (paths.RUNS / name / "scores.json").exists()]
