"""Whether a folder of annotations changed, at the price of listing it: for the workflow, on every call."""

import hashlib
import os
from pathlib import Path

from triplehead.plan.options import Folder


def fingerprint(data: Folder, data_root: Path) -> str | None:
    """SHA-256 (hex) over name, size and time of change of every file in the data set's folders of annotations; None
    where it has no such folders. What the files say is the business of `prepare`, which digests their bytes."""
    folders = [name for name in data.annotations if (data_root / name).is_dir()]
    if not folders:
        return None
    digest = hashlib.sha256()
    for name in folders:
        for file in sorted(os.scandir(data_root / name), key=lambda file: file.name):
            status = file.stat(follow_symlinks=file.is_file())  # a link to nothing has a state, too
            digest.update(f"{name}\0{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
