"""Who is at work: one process a run, one Snakemake a folder."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from triplehead.errors import InputError
from triplehead.paths import LOCKS


@contextmanager
def exclusive(name: str, folder: Path = LOCKS) -> Iterator[None]:
    """Be the only process that makes `name`; wait while another does.

    A Snakemake that was killed alone leaves its jobs running: the next one's job for the same output waits for
    the orphan and goes on from its state. The kernel lets go when a process dies, however it dies. Raises
    InputError where the lock cannot be written.
    """
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")  # noqa: SIM115  held below
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that makes {name}", file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def snakemakes_in(folder: Path) -> list[int]:
    """Processes that run Snakemake in a folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        is_snakemake = any(Path(word).name == "snakemake" for word in command[:3])
        if is_snakemake and process.info["cwd"] and Path(process.info["cwd"]) == folder.resolve():
            found.append(process.info["pid"])
    return sorted(found)


def release_stale(folder: Path) -> None:
    """What a Snakemake calls as it starts: a lock that nobody alive can hold is no lock. One that somebody may hold
    stays, for Snakemake itself to refuse."""
    locks = folder / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    if all(alive == os.getpid() for alive in snakemakes_in(folder)):
        _release(locks)


def _release(locks: Path) -> None:
    """As `snakemake --unlock`, which would need the configuration to come this far."""
    shutil.rmtree(locks, ignore_errors=True)
    print("released the lock of a Snakemake that was killed", file=sys.stderr)


def release_snakemake(folder: Path) -> bool:
    """Unlock `folder` if a Snakemake left it locked; whether one had. Raises InputError while one is alive there."""
    locks = folder / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return False
    if alive := snakemakes_in(folder):
        raise InputError(folder, f"another Snakemake (process {alive[0]}) is at work here; wait for it or stop it")
    _release(locks)
    return True
