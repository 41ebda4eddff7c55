"""Names that the files of a study give: they become parts of run ids, of file names and of shell lines."""

import re
from pathlib import Path

from triplehead.errors import InputError


def name_of(file: Path, kind: str) -> str:
    """What a file calls the table, figure, scale or detector (`kind`) that it declares. Raises InputError for a name
    of anything but small letters, digits and _."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", file.stem):
        # Beside its folder, not in its path: it may hold the end of a line.
        problem = f"{file.name!r} is no name of a {kind}; expected small letters, digits and _, a letter first"
        raise InputError(file.parent, problem)
    return file.stem
