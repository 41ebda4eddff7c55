"""Snakemake's temporary folders: of one that is killed they stay until the next one in that project."""

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

NOTES = Path(".snakemake/temporary")  # of each process, living or dead, a file HOST.PID: a folder a line


def note(workflow: Any) -> None:
    """What Snakemake makes before it reads the Snakefile and removes as it ends, outside of the project."""
    if not workflow.is_main_process:  # a job, on any node
        return
    with suppress(OSError):  # a folder that cannot be written: nothing is known
        NOTES.mkdir(parents=True, exist_ok=True)
        with open(NOTES / f"{socket.gethostname()}.{os.getpid()}", "a") as file:
            file.writelines(f"{folder}\n" for folder in _own(workflow))


def sweep(workflow: Any) -> None:
    """Remove those of this machine's dead, where this one has its own: for who is alone."""
    own = _own(workflow)
    kinds = {_kind(folder) for folder in own}
    for notes in NOTES.glob(f"{socket.gethostname()}.*"):
        with suppress(OSError, ValueError):  # a file of another's, or one that cannot be read
            if notes.stem != socket.gethostname():  # HOST.DOMAIN's
                continue
            if psutil.pid_exists(int(notes.suffix[1:])):
                continue
            folders = set(notes.read_text().splitlines()) - set(own)
            for folder in folders:
                if _kind(folder) in kinds:  # whoever wrote the notes
                    shutil.rmtree(folder, ignore_errors=True)
            if not any(folder and os.path.isdir(folder) for folder in folders):
                notes.unlink()


def _own(workflow: Any) -> list[str]:
    cache = workflow.sourcecache.runtime_cache  # none: another's
    return [str(workflow.snakemake_tmp_dir), *([cache.name] if cache else [])]


def _kind(folder: str) -> tuple[Path, str]:
    """Where it lies, and its name less the eight letters that tempfile draws."""
    return Path(folder).parent, Path(folder).name[:-8]
