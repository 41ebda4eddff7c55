"""An annotation file's content, or one line that says why there is none."""

import math
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from triplehead.errors import InputError

LARGEST = 2**53  # of a number in an annotation: beyond it floats skip whole numbers; NaN is in no range
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:")


def leaves(name: str) -> bool:
    """Whether a path that a stranger's file gives could lead out of the folder that it is said to be in, on whatever
    system: absolute, with "..", a drive or a backslash."""
    return name.startswith("/") or ".." in name.split("/") or "\\" in name or _DRIVE.match(name) is not None


def status(path: Path) -> os.stat_result:
    """That of a file, or of the one that a link leads to. Raises InputError for a folder, and for a pipe or a device,
    which may never come to an end; OSError where nothing is there."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise InputError(path, "is a folder, pipe or device, expected a file")
    return found


def read_bytes(path: Path, expected: str, limit: int | None = None) -> bytes:
    """The bytes of a file. Raises InputError where it is missing (`expected` says what it should hold), cannot be
    read, or holds more than `limit` bytes."""
    try:
        status(path)
        with open(path, "rb") as file:
            content = file.read() if limit is None else file.read(limit + 1)
    except FileNotFoundError:
        raise InputError(path, f"no such file, expected {expected}") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error
    if limit is not None and len(content) > limit:
        raise InputError(path, f"holds more than {limit} bytes, expected {expected}")
    return content


def read_text(path: Path, expected: str) -> str:
    """The same as text. Raises InputError where it is not UTF-8, too."""
    try:
        return read_bytes(path, expected).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(path, f"is not UTF-8 text (byte {error.start})") from error


def read_lines(path: Path, expected: str) -> list[str]:
    """The same as lines, whether they end as on Unix or on Windows."""
    return read_text(path, expected).removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def decimal(text: str) -> float | None:
    """The number that a text is, in plain digits; None where it is none, or beyond what boxes can be computed with."""
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if abs(value) <= LARGEST else None


def first_of(names: Sequence[object]) -> str:
    """For a message about several files that names the first: '' or ' and 2 more'."""
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
