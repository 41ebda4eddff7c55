"""Without a Slurm to submit to: one line, before anything is submitted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from triplehead.errors import InputError
from triplehead.jobs import require


@pytest.fixture
def tools(tmp_path, monkeypatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_other_executors_need_nothing(tools):
    require("local")


def test_no_client(tools):
    with pytest.raises(InputError, match=r"^slurm: no sbatch and sinfo on PATH"):
        require("slurm")


def test_a_controller_that_is_down(tools):
    stand_in(tools, "sbatch", "exit 0")
    stand_in(tools, "sinfo", "echo 'first line' >&2; echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(InputError, match=r"^slurm: does not answer \(Unable to contact slurm controller\)$"):
        require("slurm")
    stand_in(tools, "sinfo", "exit 0")
    with pytest.raises(InputError, match="no partition to submit to"):
        require("slurm")
    stand_in(tools, "sinfo", "echo main up")
    require("slurm")


def test_snakemake_stops_before_the_first_job(clone):
    """Where the plugin is missing, Snakemake itself refuses; where Slurm is, we do."""
    bare = clone / "bin"
    bare.mkdir()
    for tool in ("bash", "sh", "which"):
        (bare / tool).symlink_to(shutil.which(tool))
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", "results/table5.csv"],
        cwd=clone, env=os.environ | {"PATH": str(bare)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    assert "invalid choice: 'slurm'" in last or last.startswith("error: slurm: no sbatch and sinfo on PATH")
    assert not (clone / "results").exists()
