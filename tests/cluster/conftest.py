"""A real Slurm of one node for these tests, where slurm-wlm and munge are installed."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = ("slurmctld", "slurmd", "munged", "sbatch", "scontrol")
PATH = os.environ["PATH"] + os.pathsep + "/usr/sbin"


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Starts it, and ends it with the tests."""
    if missing := [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]:
        pytest.skip(f"{', '.join(missing)}: not installed (apt-get install slurm-wlm munge)")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm: not installed (pip install -e .[slurm])")
    if os.getuid() != 0:
        pytest.skip("only root may start a Slurm")
    if subprocess.run(["pgrep", "-x", "slurmctld"], capture_output=True).returncode == 0:
        pytest.skip("another Slurm runs on this machine")
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([HERE / "start_slurm.sh", folder], capture_output=True, text=True, timeout=120)
    try:
        if started.returncode == 2:  # refused: a Slurm that is not ours
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        yield
    finally:
        if started.returncode != 2:
            subprocess.run([HERE / "stop_slurm.sh", folder], timeout=120, check=True)


@pytest.fixture
def clone(tmp_path) -> Path:
    """The tracked files that Snakemake reads, without results."""
    for name in ("workflow", "experiments", "profiles", "reports"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pdf"))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path
