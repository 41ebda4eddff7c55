"""JSON files that jobs left, read again: one that a disk damaged or a hand edited is named in one line."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from triplehead.errors import InputError


def read_json(path: Path, missing: str = "no such file", broken: str = "cannot be read as JSON") -> Any:
    """What the file says, unpacked where its name ends in .gz. Raises InputError for one that is `missing` or `broken`
    (words for either)."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(path, missing) from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    try:
        return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise InputError(path, f"{broken} ({error})") from None


def read_mapping(path: Path, missing: str = "no such file", expected: str = "a mapping") -> dict[str, Any]:
    """As `read_json`, of a file that holds an object."""
    found = read_json(path, missing)
    if not isinstance(found, dict):
        raise InputError(path, f"expected {expected}, found {type(found).__name__}")
    return found
