"""Training states outlive their training: Snakemake removes a run's files where it does not come to take them for whole
(a kill, a clock that was set back), and they are then made again from the last state. Once something is made of a run,
it has."""

import shutil
from collections.abc import Iterable

from triplehead.paths import SCRATCH


def let_go(runs: Iterable[str]) -> None:
    """Remove the states of these runs."""
    for run in runs:
        shutil.rmtree(SCRATCH / run, ignore_errors=True)
