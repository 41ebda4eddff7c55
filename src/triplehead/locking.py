"""Who is at work: one process a run, one Snakemake a folder."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from triplehead.errors import InputError
from triplehead.paths import LOCKS

NO_LOCKS = "cannot be locked ({}), expected a file system with locks (flock); on Lustre: mounted with -o flock"


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
            if not _alone(file):
                print(f"waiting for another process that makes {name}", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise InputError(path, NO_LOCKS.format(error.strerror)) from None
        yield


def snakemakes_in(folder: Path) -> list[int]:
    """Processes of this machine that run Snakemake in a folder, as far as they can be seen."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        if not process.info["cwd"] or Path(process.info["cwd"]) != folder.resolve():
            continue
        program, *words = [Path(word).name for word in process.info["cmdline"] or [""]]
        if program == "snakemake" or (program.startswith("python") and "snakemake" in words[:6]):
            found.append(process.info["pid"])
    return sorted(found)


_ALIVE: list[IO[str]] = []  # open as long as this process lives


def release_stale(folder: Path) -> bool:
    """What a Snakemake calls as it starts: a lock that nobody alive can hold is no lock. One that somebody may hold,
    here or on another node, stays, for Snakemake itself to refuse. Whether no other is known to be alive.

    Who is alive shares a kernel's lock on a file, which ends with the process, however it dies.
    """
    alone = False
    with suppress(OSError):  # a folder that cannot be written, a file system without locks: nothing is known
        file = _alive(folder)
        _ALIVE.append(file)
        alone = _alone(file)
        if alone and _locked(folder):
            with suppress(InputError):
                _release(folder)
        fcntl.flock(file, fcntl.LOCK_SH)
    return alone


def _alive(folder: Path) -> IO[str]:
    (folder / ".snakemake").mkdir(exist_ok=True)
    return open(folder / ".snakemake" / "alive", "a")


def _alone(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked(folder: Path) -> bool:
    return any((folder / ".snakemake" / "locks").glob("*"))


def _release(folder: Path) -> None:
    """As `snakemake --unlock`, which would need the configuration to come this far. Raises InputError if it fails."""
    shutil.rmtree(folder / ".snakemake" / "locks", ignore_errors=True)
    if _locked(folder):
        raise InputError(folder / ".snakemake" / "locks", "cannot be removed")
    print("released the lock of a Snakemake that was killed", file=sys.stderr)


def release_snakemake(folder: Path) -> bool:
    """Unlock `folder` if a Snakemake left it locked; whether one had. Raises InputError while one is alive there."""
    if not _locked(folder):
        return False
    with _alive(folder) as file:
        try:
            alone = _alone(file)
        except OSError as error:
            raise InputError(Path(file.name), NO_LOCKS.format(error.strerror)) from None
        if not alone:
            seen = [process for process in snakemakes_in(folder) if process != os.getpid()]
            where = f"process {seen[0]}" if seen else "on another node, or another user's"
            raise InputError(folder, f"another Snakemake ({where}) is at work here; wait for it or stop it")
        _release(folder)
    return True
