"""Snakemake's temporary folders outlive it no longer than until the next one."""

import os
import signal
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.torture.checks import SOURCES
from tests.torture.project import SNAKEMAKE, Project

from triplehead.temporary import NOTES, note, sweep

DEAD = 1 << 30  # no process has this number


def workflow(main: bool = True) -> SimpleNamespace:
    cache = SimpleNamespace(name=tempfile.mkdtemp(dir=tempfile.gettempdir()))
    return SimpleNamespace(
        is_main_process=main,
        snakemake_tmp_dir=Path(tempfile.mkdtemp(prefix="snakemake")),
        sourcecache=SimpleNamespace(runtime_cache=cache),
    )


def folders(of: SimpleNamespace) -> list[Path]:
    return [of.snakemake_tmp_dir, Path(of.sourcecache.runtime_cache.name)]


def noted(process: int, host: str | None = None) -> Path:
    return NOTES / f"{host or socket.gethostname()}.{process}"


def of_process(process: int, host: str | None = None) -> SimpleNamespace:
    """A workflow whose note is that of another process."""
    note(made := workflow())
    noted(os.getpid()).rename(noted(process, host))
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_next_one_removes_those_of_the_dead_and_keeps_its_own(folder):
    dead = of_process(DEAD)
    (dead.snakemake_tmp_dir / "file").write_text("")
    note(living := workflow())
    sweep(living)
    assert not any(each.exists() for each in folders(dead)) and all(each.is_dir() for each in folders(living))
    assert list(NOTES.iterdir()) == [noted(os.getpid())]
    assert noted(os.getpid()).read_text().splitlines() == list(map(str, folders(living)))


@pytest.mark.parametrize("notes", ["nobody wrote this\n", "1\n", "\0", "", "\n\n"])
def test_notes_that_mean_nothing_hide_no_others(folder, notes):
    dead = of_process(DEAD)
    for name in ("1", "nobody", str(DEAD + 1)):
        noted(name).write_text(notes)
    note(living := workflow())
    sweep(living)
    assert not any(each.exists() for each in folders(dead)) and all(each.is_dir() for each in folders(living))
    assert not noted(DEAD).exists()


def test_a_line_that_was_cut_removes_nothing_of_the_living(folder):
    """By a full disk, say: what is left of it may begin as a folder of one that lives."""
    note(living := workflow())
    noted(DEAD).write_text("".join(f"{each}\n" for each in folders(living)) + str(living.snakemake_tmp_dir)[:-3])
    sweep(living)
    assert all(each.is_dir() for each in folders(living))


@pytest.mark.parametrize("place", ["precious", "temporary/precious", "temporary/../precious", "temporary/snakemakes"])
def test_notes_that_name_other_folders_remove_nothing(folder, place):
    (folder / place).mkdir()
    note(living := workflow())
    noted(DEAD).write_text("".join(f"{each}\n" for each in (folder / place, "..", "/", ".", "")))
    sweep(living)
    assert (folder / place).is_dir()


@pytest.mark.parametrize(
    ("process", "host"), [(os.getppid(), None), (DEAD, "elsewhere"), (DEAD, f"{socket.gethostname()}.domain")]
)
def test_what_lives_or_may_live_on_another_machine_stays(folder, process, host):
    """One that has begun meanwhile, or of which this project is a copy; a process's number is its machine's."""
    other = of_process(process, host)
    note(living := workflow())
    sweep(living)
    assert all(each.is_dir() for each in folders(other)) and noted(process, host).is_file()


def test_where_temporary_folders_lie_elsewhere_the_note_stays(folder, monkeypatch):
    dead = of_process(DEAD)
    here = tempfile.gettempdir()
    (folder / "other").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "other"))
    sweep(workflow())
    assert all(each.is_dir() for each in folders(dead)) and noted(DEAD).is_file()
    monkeypatch.setattr(tempfile, "tempdir", here)
    sweep(workflow())
    assert not any(each.exists() for each in folders(dead)) and not noted(DEAD).exists()


def test_a_job_notes_nothing(folder):
    note(workflow(main=False))
    assert not NOTES.exists()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_notes_that_cannot_be_had_stop_nobody(folder, make):
    NOTES.parent.mkdir()
    make(NOTES if make is Path.touch else NOTES.parent / "temporary")
    if NOTES.is_dir():
        noted(DEAD).mkdir()
    note(living := workflow())
    sweep(living)
    assert living.snakemake_tmp_dir.exists()


def test_what_a_killed_snakemake_left_is_gone_after_the_next(tmp_path):
    project = Project(tmp_path / "study")
    process = project.start()
    try:
        while not any(file.stat().st_size for file in (project.folder / NOTES).glob("*")):
            assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert any(project.temporary.iterdir()) and any((project.folder / SOURCES).iterdir())
    assert project.call(*SNAKEMAKE, "-n").returncode == 0
    assert not any(project.temporary.iterdir()) and not any((project.folder / SOURCES).iterdir())
