"""Snakemake's temporary folders outlive it no longer than until the next one."""

import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.torture.project import SNAKEMAKE, Project

from triplehead.temporary import NOTES, note, sweep


def workflow() -> SimpleNamespace:
    cache = SimpleNamespace(name=tempfile.mkdtemp(dir=tempfile.gettempdir()))
    return SimpleNamespace(
        snakemake_tmp_dir=Path(tempfile.mkdtemp(prefix="snakemake")), sourcecache=SimpleNamespace(runtime_cache=cache)
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_next_one_removes_those_of_the_dead_and_keeps_its_own(folder):
    dead, living = workflow(), workflow()
    (dead.snakemake_tmp_dir / "file").write_text("")
    note(dead)
    note(living)
    sweep(living)
    assert not dead.snakemake_tmp_dir.exists() and not Path(dead.sourcecache.runtime_cache.name).exists()
    assert living.snakemake_tmp_dir.exists() and Path(living.sourcecache.runtime_cache.name).exists()
    assert NOTES.read_text().splitlines() == [str(living.snakemake_tmp_dir), living.sourcecache.runtime_cache.name]


@pytest.mark.parametrize("place", ["precious", "temporary/precious", "temporary/../precious", "temporary/snakemakes"])
def test_notes_that_name_other_folders_remove_nothing(folder, place):
    (folder / place).mkdir()
    note(living := workflow())
    with NOTES.open("a") as notes:
        notes.write(f"{folder / place}\n..\n\n/\n")
    sweep(living)
    assert (folder / place).is_dir()


def test_notes_that_cannot_be_read_stop_nobody(folder):
    NOTES.mkdir(parents=True)
    note(living := workflow())
    sweep(living)
    assert living.snakemake_tmp_dir.exists()


def test_what_a_killed_snakemake_left_is_gone_after_the_next(tmp_path):
    project = Project(tmp_path / "study")
    process = project.start()
    try:
        while not (project.folder / NOTES).is_file() or not (project.folder / NOTES).read_text():
            assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert any(project.temporary.iterdir())
    assert project.call(*SNAKEMAKE, "-n").returncode == 0
    assert not any(project.temporary.iterdir())
