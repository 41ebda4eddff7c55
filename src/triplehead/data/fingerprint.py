"""Whether annotations changed, at the price of listing them: for the workflow, on every call."""

import hashlib
import os
from pathlib import Path

from triplehead.plan.options import Folder


def fingerprint(data: Folder, data_root: Path) -> str | None:
    """SHA-256 (hex) over name, size and time of change of the data set's annotation files, in folders all of them; None
    where it has none. What they say is the business of `prepare`, which digests their bytes."""
    places = [name for name in data.annotations if (data_root / name).exists()]
    if not places:
        return None
    digest = hashlib.sha256()
    for name in places:
        path = data_root / name
        files = sorted(map(Path, os.scandir(path))) if path.is_dir() else [path]
        for file in files:
            status = file.stat(follow_symlinks=file.is_file())  # a link to nothing has a state, too
            digest.update(f"{name}\0{file.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
