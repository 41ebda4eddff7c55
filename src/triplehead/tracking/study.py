"""Whose a run is on a server that several clones share: a results folder has an id, and its runs bear it."""

import fcntl
import uuid
from contextlib import suppress
from pathlib import Path

from triplehead.errors import InputError

STUDY = "triplehead.study"
FILE = "mlflow.id"  # below results/


def study_id(results: Path) -> str:
    """That of a results folder, made if there is none. Raises InputError where the folder is not there, or cannot be
    written: whoever has no id would see to everybody's runs."""
    file = results / FILE
    with suppress(OSError):
        if _whole(known := file.read_text().strip()):
            return known
    # There is none, or one that a killed process began; another job may be faster.
    try:
        with open(file, "a+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            held.seek(0)
            if not _whole(known := held.read().strip()):
                known = uuid.uuid4().hex
                held.truncate(0)
                held.write(known)
            return known
    except OSError as error:
        problem = f"cannot be written ({error.strerror}), expected this study's id on a server that others share"
        raise InputError(file, problem) from None


def _whole(text: str) -> bool:
    return len(text) == 32
