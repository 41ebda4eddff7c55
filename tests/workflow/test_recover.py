"""A lock that a killed Snakemake left is released; a living Snakemake is not disturbed."""

import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest
from tests.torture.disks import NOT_ROOT, Tmpfs
from tests.workflow.test_workflow import clone, snakemake  # noqa: F401

from triplehead.errors import InputError
from triplehead.locking import exclusive, release_snakemake, release_stale, snakemakes_in

SLOW_SNAKEFILE = """
from pathlib import Path
from triplehead.locking import release_stale
release_stale(Path.cwd())
rule slow:
    output: "done"
    shell: "echo started > started; sleep 60; touch {output}"
"""


def start_snakemake(folder, *before):
    (folder / "Snakefile").write_text(SLOW_SNAKEFILE)
    process = subprocess.Popen(
        [*before, sys.executable, "-u", "-m", "snakemake", "--cores", "1"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "started").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    return process


def test_a_killed_snakemake_is_released_and_a_living_one_is_not(tmp_path):
    process = start_snakemake(tmp_path)
    try:
        assert snakemakes_in(tmp_path)
        with pytest.raises(InputError, match=r"another Snakemake \(process \d+\) is at work"):
            release_snakemake(tmp_path)
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)  # the whole session
        process.wait()
    assert any((tmp_path / ".snakemake" / "locks").iterdir())
    release_snakemake(tmp_path)
    assert not list((tmp_path / ".snakemake").glob("locks/*"))


@pytest.mark.parametrize("command", [("snakemake", "--cores", "1"), ("snakemake", "-n", "--nolock")])
@pytest.mark.parametrize("unseen", [False, True])
def test_a_second_one_leaves_the_lock_of_a_living_one(tmp_path, command, unseen):
    """Also of one that no list of processes shows, as on another node: here, another process namespace."""
    before = ("unshare", "--pid", "--fork", "--mount-proc") if unseen else ()
    if unseen and subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("no process namespaces here: needs root")
    process = start_snakemake(tmp_path)
    try:
        second = [*before, sys.executable, "-m", *command]
        said = subprocess.run(second, cwd=tmp_path, capture_output=True, text=True, timeout=180).stderr
        assert "released" not in said
        assert "cannot be locked" in said or "--nolock" in command
        assert any((tmp_path / ".snakemake" / "locks").iterdir())
        if unseen:
            code = "from pathlib import Path; from triplehead.locking import *; release_snakemake(Path.cwd())"
            recover = subprocess.run(
                [*before, sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
            )
            assert "another Snakemake (on another node, or another user's) is at work here" in recover.stderr
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.wait()
    release_stale(tmp_path)
    assert not list((tmp_path / ".snakemake").glob("locks/*"))


def test_unlock_beside_a_living_one_is_refused(clone):  # noqa: F811
    """Snakemake itself would do it, and its message on the lock advises it."""
    locks = clone / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("x")
    with open(clone / ".snakemake" / "alive", "a") as alive:
        fcntl.flock(alive, fcntl.LOCK_SH)
        said = snakemake(clone, "--unlock", "--config", "scale=smoke")
        assert said.returncode == 2 and "another Snakemake (on another node, or another user's)" in said.stderr
        assert any(locks.iterdir())
    assert snakemake(clone, "--unlock", "--config", "scale=smoke").returncode == 0 and not list(locks.glob("*"))


def test_beside_a_living_one_nothing_is_put_right(clone):  # noqa: F811
    """A dry run, which takes no lock, or one that Snakemake is about to refuse."""
    results = clone / "results"
    for name in ("runs/a/scores.json", "unlogged/a", "data/b/looking", "data/b/kept.json", "mlflow.tables"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("{}")
    tomorrow = time.time() + 86_400
    os.utime(results / "mlflow.tables", (tomorrow, tomorrow))
    look = ("-n", "results/table4.csv", "--config", "scale=smoke")
    (clone / ".snakemake").mkdir()
    with open(clone / ".snakemake" / "alive", "a") as alive:
        fcntl.flock(alive, fcntl.LOCK_SH)
        snakemake(clone, *look)
        assert not (results / "data" / "b" / "manifest.json").exists()
        assert (results / "mlflow.tables").stat().st_mtime == tomorrow
    assert snakemake(clone, *look).returncode == 0
    assert (results / "data" / "b" / "manifest.json").exists() and not (results / "mlflow.tables").exists()


def test_a_manifest_that_cannot_be_put_back_is_no_traceback(clone):  # noqa: F811
    folder = clone / "results" / "data" / "b"
    folder.mkdir(parents=True)
    with Tmpfs(folder, "size=1m") as mounted:
        if not mounted:
            pytest.skip(NOT_ROOT)
        for name in ("looking", "kept.json"):
            (folder / name).write_text("{}")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        look = snakemake(clone, "-n", "results/table4.csv", "--config", "scale=smoke")
    assert look.returncode == 0, look.stderr


def test_nothing_to_release(tmp_path):
    assert not release_snakemake(tmp_path)
    command = [sys.executable, "-m", "triplehead", "recover"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "nothing to release: no Snakemake holds a lock here\n")


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    """Some network file systems."""

    def none(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").write_text("x")
    monkeypatch.setattr(fcntl, "flock", none)
    with (
        pytest.raises(
            InputError, match=r"run: cannot be locked \(Function not impl.*expected a file system with locks"
        ),
        exclusive("run", tmp_path),
    ):
        pass
    with pytest.raises(InputError, match=r"alive: cannot be locked"):
        release_snakemake(tmp_path)


def test_a_lock_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), exclusive("run", tmp_path / "file"):
        pass


@pytest.mark.parametrize("release", [release_snakemake, release_stale])
def test_a_lock_is_released_whatever_the_configuration(tmp_path, release):
    """Under another scale than the default, or a mistake below experiments/, the Snakefile would end first."""
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("x")
    (tmp_path / "Snakefile").write_text("import sys; sys.stderr.write('error: table1.yaml: k\\n'); sys.exit(2)")
    release(tmp_path)
    assert not locks.exists()


def test_a_second_process_waits_for_the_first(tmp_path):
    code = (
        "from pathlib import Path; from triplehead.locking import exclusive\n"
        f"with exclusive('run', Path({str(tmp_path)!r})): print('mine', flush=True)"
    )
    with exclusive("run", tmp_path):
        other = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "waiting for another process" in other.stderr.readline()
        assert other.poll() is None
    assert other.communicate(timeout=30)[0] == "mine\n"
