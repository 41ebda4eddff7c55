"""Snakemake's temporary folders outlive it no longer than until the next one."""

import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.torture.checks import SOURCES
from tests.torture.project import SNAKEMAKE, Project

from triplehead.temporary import NOTES, note, sweep

DEAD = 1 << 30  # no process has this number


def workflow() -> SimpleNamespace:
    cache = SimpleNamespace(name=tempfile.mkdtemp(dir=tempfile.gettempdir()))
    return SimpleNamespace(
        snakemake_tmp_dir=Path(tempfile.mkdtemp(prefix="snakemake")), sourcecache=SimpleNamespace(runtime_cache=cache)
    )


@pytest.mark.parametrize("notes", ["nobody wrote this\n", "1\n", "\0"])
def test_notes_that_mean_nothing_stop_nobody(folder, notes):
    NOTES.parent.mkdir()
    NOTES.write_text(notes)
    note(living := workflow())
    sweep(living)
    assert living.snakemake_tmp_dir.exists()


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
    NOTES.write_text(NOTES.read_text().replace(f"{os.getpid()} ", f"{DEAD} "))
    note(living)
    sweep(living)
    assert not dead.snakemake_tmp_dir.exists() and not Path(dead.sourcecache.runtime_cache.name).exists()
    assert living.snakemake_tmp_dir.exists() and Path(living.sourcecache.runtime_cache.name).exists()
    own = [str(living.snakemake_tmp_dir), living.sourcecache.runtime_cache.name]
    assert NOTES.read_text().splitlines() == [f"{os.getpid()} {folder}" for folder in own]


@pytest.mark.parametrize("place", ["precious", "temporary/precious", "temporary/../precious", "temporary/snakemakes"])
def test_notes_that_name_other_folders_remove_nothing(folder, place):
    (folder / place).mkdir()
    note(living := workflow())
    with NOTES.open("a") as notes:
        notes.write("".join(f"{DEAD} {each}\n" for each in (folder / place, "..", "/", ".", "")))
    sweep(living)
    assert (folder / place).is_dir()


def test_what_another_one_that_lives_has_noted_stays(folder):
    """One that has begun meanwhile, or of which this project is a copy."""
    other, living = workflow(), workflow()
    note(other)
    NOTES.write_text(NOTES.read_text().replace(f"{os.getpid()} ", f"{os.getppid()} "))
    sweep(living)
    assert other.snakemake_tmp_dir.exists() and str(other.snakemake_tmp_dir) in NOTES.read_text()


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
    assert any(project.temporary.iterdir()) and any((project.folder / SOURCES).iterdir())
    assert project.call(*SNAKEMAKE, "-n").returncode == 0
    assert not any(project.temporary.iterdir()) and not any((project.folder / SOURCES).iterdir())
