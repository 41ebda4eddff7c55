"""Snakemake's temporary folders: of one that is killed they stay until the next one in that project."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

NOTES = Path(".snakemake/temporary")  # a process and a folder of its own a line, of the living and of the dead


def note(workflow: Any) -> None:
    """What Snakemake makes before it reads the Snakefile and removes as it ends, outside of the project."""
    with suppress(OSError):  # a folder that cannot be written: nothing is known
        NOTES.parent.mkdir(exist_ok=True)
        with open(NOTES, "a") as file:
            file.writelines(f"{os.getpid()} {folder}\n" for folder in _own(workflow))


def sweep(workflow: Any) -> None:
    """Remove those of the dead: for who is alone."""
    kinds = {_kind(folder) for folder in _own(workflow)}
    with suppress(OSError, ValueError):
        living = []
        for line in NOTES.read_text().splitlines():
            process, folder = line.split(" ", 1)
            if psutil.pid_exists(int(process)):
                living.append(f"{line}\n")
            elif _kind(folder) in kinds:  # whoever wrote the notes
                shutil.rmtree(folder, ignore_errors=True)
        NOTES.write_text("".join(living))


def _own(workflow: Any) -> list[str]:
    cache = workflow.sourcecache.runtime_cache  # none: another's
    return [str(workflow.snakemake_tmp_dir), *([cache.name] if cache else [])]


def _kind(folder: str) -> tuple[Path, str]:
    """Where it lies, and its name less the eight letters that tempfile draws."""
    return Path(folder).parent, Path(folder).name[:-8]
