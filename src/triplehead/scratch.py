"""Training states outlive their training: Snakemake removes a run's files where it does not come to take them for whole
(a kill, a clock that was set back), and they are then made again from the last state. Once something is made of a run,
or another Snakemake has begun, it has."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import rmtree

from triplehead.paths import REPLICATES, RUN_FILES, RUNS, SCRATCH

MARKS = Path(".snakemake/incomplete")  # of files whose job Snakemake has not seen end: it runs that again


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
    """Whether Snakemake has seen the jobs of all these files end."""
    return not any((MARKS / urlsafe_b64encode(str(file).encode()).decode()).exists() for file in files)
