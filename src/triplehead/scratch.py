"""Training states outlive their training: Snakemake removes a run's files where it does not come to take them for whole
(a kill, a clock that was set back), and they are then made again from the last state. Once something is made of a run,
or another Snakemake has begun, it has."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import rmtree

from triplehead.jobs import snakemakes_record
from triplehead.paths import REPLICATES, RUN_FILES, RUNS, SCRATCH


def let_go(runs: Iterable[str]) -> None:
    """Remove the states of these runs."""
    for run in runs:
        rmtree(SCRATCH / run, ignore_errors=True)


def finished() -> Iterator[str]:
    """The runs whose states lie here for nothing: for who is alone."""
    for folder in SCRATCH.glob("*"):
        files = [RUNS / folder.name / name for name in RUN_FILES]
        if all(file.is_file() for file in files) and taken_for_whole([*files, RUNS / folder.name / REPLICATES]):
            yield folder.name


def taken_for_whole(files: Iterable[Path | str]) -> bool:
    """Whether Snakemake has seen the jobs of all these files end: it runs others again, whatever is there."""
    return not any(snakemakes_record("incomplete", file).exists() for file in files)
