"""Training states outlive their training: Snakemake removes a run's files where it does not come to take them for whole
(a kill, a clock that was set back), and they are then made again from the last state. Once something is made of a run,
or another Snakemake has begun, it has."""

from collections.abc import Collection, Iterable
from pathlib import Path
from shutil import rmtree

from triplehead.jobs import snakemakes_record
from triplehead.paths import REPLICATES, RUN_FILES, RUNS, SCRATCH


def let_go(runs: Collection[str] | None = None) -> None:
    """Remove the states of those of these runs (none: of all) that have ended."""
    for folder in SCRATCH.glob("*"):
        if (runs is None or folder.name in runs) and _ended(folder.name):
            rmtree(folder, ignore_errors=True)


def _ended(run: str) -> bool:
    files = [RUNS / run / name for name in RUN_FILES]
    return all(file.is_file() for file in files) and taken_for_whole([*files, RUNS / run / REPLICATES])


def taken_for_whole(files: Iterable[Path | str]) -> bool:
    """Whether Snakemake has seen the jobs of all these files end: it runs others again, whatever is there."""
    return not any(snakemakes_record("incomplete", file).exists() for file in files)
