"""Tests of real photographs say why they were skipped, and are not where their folder is named."""

import os
import subprocess
import sys

import pytest
from tests.conftest import REAL_DATA, ROOT

TEST = "tests/data/test_visdrone.py::test_real_annotations_without_images"


def outcome(**environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST]
    kept = {name: value for name, value in os.environ.items() if name != REAL_DATA}
    return subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=120)


def test_a_named_folder_that_is_missing_fails(tmp_path):
    result = outcome(**{REAL_DATA: str(tmp_path / "none")})
    assert result.returncode == 1
    assert f"{REAL_DATA}: no such folder: {tmp_path / 'none'}" in result.stdout and "skipped" not in result.stdout


@pytest.mark.parametrize("relative", [False, True])
def test_the_folder_that_is_named_is_read(real_data, tmp_path, relative):
    (tmp_path / "samples").symlink_to(real_data)
    folder = os.path.relpath(tmp_path / "samples", ROOT) if relative else str(tmp_path / "samples")
    result = outcome(**{REAL_DATA: folder})
    assert result.returncode == 0 and "1 passed" in result.stdout, result.stdout
