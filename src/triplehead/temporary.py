"""Snakemake's temporary folders: of one that is killed they stay until the next one in that project."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

NOTES = Path(".snakemake/temporary")  # a folder a line, of those at work and of those that died


def note(workflow: Any) -> None:
    """What Snakemake makes before it reads the Snakefile and removes as it ends, outside of the project."""
    with suppress(OSError):  # a folder that cannot be written: nothing is known
        NOTES.parent.mkdir(exist_ok=True)
        with open(NOTES, "a") as file:
            file.writelines(f"{folder}\n" for folder in _own(workflow))


def sweep(workflow: Any) -> None:
    """Remove those of the dead: for who is alone."""
    own = _own(workflow)
    with suppress(OSError, ValueError):
        for folder in set(NOTES.read_text().splitlines()) - set(own):
            if _kind(folder) in map(_kind, own):  # whoever wrote the notes
                shutil.rmtree(folder, ignore_errors=True)
        NOTES.write_text("".join(f"{folder}\n" for folder in own))


def _own(workflow: Any) -> list[str]:
    cache = workflow.sourcecache.runtime_cache  # none: another's
    return [str(workflow.snakemake_tmp_dir), *([cache.name] if cache else [])]


def _kind(folder: str) -> tuple[Path, str]:
    """Where it lies, and its name less the eight letters that tempfile draws."""
    return Path(folder).parent, Path(folder).name[:-8]
