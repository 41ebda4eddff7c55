"""Training states: there until something is made of their run."""

import re
import shutil

import pytest
from tests.torture.project import SNAKEMAKE, Project

from triplehead.paths import RUN_FILES
from triplehead.plan.plan import load_plan


@pytest.mark.slow
def test_a_training_whose_files_snakemake_took_away_is_not_done_again(tmp_path):
    """It does where the job was killed in its last moment, or the clock was set back. A table of the run ends it."""
    project = Project(tmp_path / "study")
    run = load_plan({"scale": "smoke"}, project.folder / "experiments").run_ids("table1", "FCOS")[0]
    results, log = project.folder / "results", project.folder / "logs" / "train" / f"{run}.log"
    target = f"results/runs/{run}/scores.json"
    snakemake = (SNAKEMAKE[0], "--cores", "1")

    def made() -> dict[str, bytes]:
        assert project.call(*snakemake, target).returncode == 0
        return {name: (results / "runs" / run / name).read_bytes() for name in RUN_FILES}

    first = made()
    assert re.search(r"(?m)^24/24", log.read_text()) and any((results / "scratch" / run).iterdir())
    shutil.rmtree(results / "runs" / run)
    assert made() == first
    assert not re.search(r"(?m)^\d+/24", log.read_text())
    assert project.call(*snakemake, "results/table1.csv").returncode == 0
    assert not list((results / "scratch").iterdir())
