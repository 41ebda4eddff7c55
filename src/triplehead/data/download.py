"""A file from an HTTP server: resumed where it was cut, checked, whole or not there."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from triplehead.errors import InputError, shown
from triplehead.paths import atomic

Progress = Callable[[int, int | None], None]  # bytes that are there, bytes in all if known

NAMES = ("ETag", "Last-Modified")  # of what a server has at an address now
CHUNK = 1 << 16  # bytes; what a cut connection loses at most
ATTEMPTS = 5  # in a row that bring nothing new
TIMEOUT = 60.0  # seconds without a byte
_NUMBER = r"(\d{1,18})"  # Python reads no number of thousands of digits
_RANGE = re.compile(rf"bytes {_NUMBER}-{_NUMBER}/{_NUMBER}")


class Absent(InputError):
    """The server has no such file, or says so of one that it keeps to itself."""


class _Interrupted(Exception):
    """Worth another try."""


def fetch(
    url: str,
    target: Path,
    size: int | None = None,
    md5: str | None = None,
    progress: Progress = lambda done, total: None,
    pause: float = 1.0,
    otherwise: str = "",
) -> None:
    """Bring `url` to `target` and check its size (bytes) and MD5, as far as given. `otherwise`: what a user without a
    connection can do.

    What has come lies in `<target>.part` until it is whole and right, so a later call goes on from there: with
    If-Range, by the server's ETag or date, and never with the end of an answer that names another or another length;
    from the start where the server knows no ranges. A cut connection is tried again after `pause` seconds, then twice
    as many and so on. Raises
    InputError where the server refuses, sends the file encoded, another size is offered, more than that comes or the
    sum is wrong (the part is removed), or the disk is full (the part stays).
    """
    part, state = _beside(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = _length(part)
        try:
            _get(url, part, state, size, progress)
            break
        except _Interrupted as error:
            failures = 0 if _length(part) > before else failures + 1
            if failures == ATTEMPTS:
                bytes_kept = _length(part)
                kept = f"; {bytes_kept:,} bytes are kept in {part}, the same command goes on from there"
                also = f"; {otherwise}" if otherwise else ""
                raise InputError(url, f"{error}{kept if bytes_kept else ''}{also}") from None
            time.sleep(pause * 2 ** max(failures - 1, 0))
    try:
        check(part, size, md5)
    except InputError as error:
        part.unlink()
        state.unlink(missing_ok=True)
        raise InputError(url, f"{error.args[1]}; removed") from None
    os.replace(part, target)
    state.unlink(missing_ok=True)


def partial(target: Path) -> int:
    """Bytes of `target` that an interrupted `fetch` left."""
    return _length(_beside(target)[0])


def check(path: Path, size: int | None, md5: str | None) -> None:
    """Raise InputError unless a file has that size (bytes) and MD5 (hex), as far as given."""
    try:
        if size is not None and (found := path.stat().st_size) != size:
            raise InputError(path, f"has {found:,} bytes, expected {size:,}")
        if md5 is None:
            return
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from error
    if digest != md5:
        raise InputError(path, f"has MD5 {digest}, expected {md5}")


def _get(url: str, part: Path, state: Path, size: int | None, progress: Progress) -> None:
    """One request, for what is missing of the part. Raises _Interrupted where another may go on."""
    known = _read_state(state)
    start = _length(part) if known.get("url") == url and known.get("validator") else 0
    if start and start == known.get("total"):
        return
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": known["validator"]}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            start, total = _offer(url, response, start, part, state, known)
            if size is not None and total is not None and total != size:
                raise InputError(url, f"the server has {total:,} bytes, expected {size:,}")
            named = {name: response.headers[name] for name in NAMES if name in response.headers}
            found = {"url": url, "validator": _validator(response), "total": total} | named
            with atomic(state) as file:
                file.write_text(json.dumps(found), encoding="utf-8")
            most = total if size is None else size
            if not _write(response, part, start, total, most, progress):
                part.unlink()
                state.unlink(missing_ok=True)
                raise InputError(url, f"the server sends more than {most:,} bytes, expected no more; removed")
    except (requests.exceptions.SSLError, requests.exceptions.TooManyRedirects) as error:
        raise InputError(url, f"cannot be fetched ({_reason(error)})") from None
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _Interrupted(f"the connection failed ({_reason(error)})") from None
    except requests.RequestException as error:
        raise InputError(url, f"cannot be fetched ({_reason(error)})") from None
    if total is not None and _length(part) < total:
        raise _Interrupted(f"the connection was cut after {_length(part):,} of {total:,} bytes")


def _offer(
    url: str, response: requests.Response, start: int, part: Path, state: Path, known: dict[str, Any]
) -> tuple[int, int | None]:
    """(first byte of what the server is about to send, bytes of the whole file)."""
    status = response.status_code
    encoding = response.headers.get("Content-Encoding", "").strip()
    if status in (200, 206) and encoding.lower() not in ("", "identity"):  # its lengths would not be the file's
        raise InputError(url, f"the server sends it encoded ({shown(encoding)}), expected the file itself")
    if status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(_NUMBER, length) else None
    if status == 206 and start:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        # Not all servers heed If-Range.
        is_same = all(response.headers.get(name) in (None, known.get(name)) for name in NAMES)
        if found and (int(found[1]), int(found[3])) == (start, known.get("total") or int(found[3])) and is_same:
            return start, int(found[3])
    problem = f"the server answers {status} {response.reason}"
    if start and status in (206, 416):  # another part than asked for, or none: from the start
        state.unlink()
        part.unlink()
        raise _Interrupted(problem)
    if status >= 500 or status == 429:
        raise _Interrupted(problem)
    raise (Absent if status in (403, 404, 410) else InputError)(url, problem)


def _write(
    response: requests.Response, part: Path, start: int, total: int | None, most: int | None, progress: Progress
) -> bool:
    """Append what comes; False as soon as it is more than `most` bytes in all."""
    try:
        with open(part, "r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            room = shutil.disk_usage(part.parent).free
            if total is not None and total - start > room:
                raise InputError(part, f"needs {total - start:,} bytes more, the disk has {room:,}; make room")
            progress(start, total)
            for chunk in response.iter_content(CHUNK):
                if most is not None and file.tell() + len(chunk) > most:
                    return False
                file.write(chunk)
                file.flush()
                progress(file.tell(), total)
            os.fsync(file.fileno())
            return True
    except requests.RequestException:  # an OSError, too
        raise
    except OSError as error:
        kept = f"{_length(part):,} bytes are kept, the same command goes on from there"
        raise InputError(part, f"cannot be written ({error.strerror or error}); {kept}") from error


def _validator(response: requests.Response) -> str | None:
    """What If-Range may say of this file: a strong ETag, else its date."""
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _read_state(state: Path) -> dict[str, Any]:
    try:
        content = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _beside(target: Path) -> tuple[Path, Path]:
    return target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """The innermost reason, in one line."""
    while isinstance(inner := getattr(error, "reason", None) or (error.args[0] if error.args else None), Exception):
        error = inner
    said = " ".join(str(error.args[-1] if error.args else error).split()) or type(error).__name__
    return re.sub(r"^\w+\(.*?\): ", "", said)  # urllib3 puts the connection's own form in front
