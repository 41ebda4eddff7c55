"""An annotation file's content, or one line that says why there is none."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

from triplehead.errors import InputError

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", re.ASCII)


def read_bytes(path: Path, expected: str, limit: int | None = None) -> bytes:
    """The bytes of a file. Raises InputError where it is missing (`expected` says what it should hold), cannot be
    read, or holds more than `limit` bytes."""
    try:
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
    """The finite number that a text is, in plain digits; None where it is none."""
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def first_of(names: Sequence[object]) -> str:
    """For a message about several files that names the first: '' or ' and 2 more'."""
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
