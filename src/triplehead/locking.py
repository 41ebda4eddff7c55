"""Who is at work: one process a run, one Snakemake a folder."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from triplehead.errors import InputError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; wait while another has it.

    A Snakemake that was killed alone leaves its jobs running: the next one's job for the same run waits for the
    orphan and goes on from its state. The kernel lets go when a process dies, however it dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that is training into {folder}", file=sys.stderr, flush=True)
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


def release_snakemake(folder: Path) -> None:
    """Unlock `folder` if a Snakemake left it locked. Raises InputError while one is alive there."""
    locks = folder / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    if alive := snakemakes_in(folder):
        raise InputError(folder, f"another Snakemake (process {alive[0]}) is at work here; wait for it or stop it")
    command = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print("released the lock of a Snakemake that was killed", file=sys.stderr)
