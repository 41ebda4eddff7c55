"""Whose a run is on a server that several clones share: a results folder has an id, and its runs bear it."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

STUDY = "triplehead.study"
FILE = "mlflow.id"  # below results/


def study_id(results: Path) -> str:
    """That of a results folder, made if there is none; nothing where the folder is not there, or cannot be written."""
    file = results / FILE
    fresh = file.with_name(f".{FILE}.{os.getpid()}.tmp")
    with suppress(OSError):
        if not file.exists():
            fresh.write_text(uuid.uuid4().hex)
            with suppress(FileExistsError):  # another job was faster
                os.link(fresh, file)
            fresh.unlink()
        return file.read_text().strip()
    return ""
