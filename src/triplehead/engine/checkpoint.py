"""Training state and final weights on disk: written whole or not at all, read without executing anything.

Of a training's state the one before is kept too, and each ends in its own digest, which torch reads past: bytes that a
disk has changed are no state, and the one before stands in.
"""

import errno
import hashlib
import os
import shutil
import struct
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from triplehead.errors import InputError
from triplehead.paths import atomic

SEAL, CHUNK = 32, 1 << 20  # bytes: of the SHA-256 that a state ends in, and that are read at once
ZIP_END, ZIP64_END = 22, 56 + 20  # bytes: of a zip file's last record, and of the two that may stand before it
DAMAGED = "damaged, not the bytes that were written"
PACKED = "has compressed records, which torch never writes: a decompression bomb?"
FULL, FULL_SAID = 1 << 20, os.strerror(errno.ENOSPC)  # bytes that a full disk may still have


def save(path: Path, spec_id: str, **state: Any) -> None:
    """Write `state` and whose it is. Raises InputError where the disk will not take it."""
    with atomic(path) as temporary:
        _write(temporary, path, {"spec": spec_id} | state)


def save_state(path: Path, spec_id: str, **state: Any) -> None:
    """As `save`; what lay at `path` becomes the state before it, if it is sound. A kill at any moment leaves one."""
    with atomic(path) as temporary:
        _write(temporary, path, {"spec": spec_id} | state)
        _seal(temporary)
        if is_sound(path):
            os.replace(path, before(path))


def save_sealed(path: Path, state: dict[str, Any]) -> None:
    """Write `state` alone, and its digest. Raises InputError where the disk will not take it."""
    with atomic(path) as temporary:
        _write(temporary, path, state)
        _seal(temporary)


def _write(file: Path, path: Path, state: dict[str, Any]) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # what torch makes of a full or read-only disk; it does not say which
        is_full = shutil.disk_usage(path.parent).free < FULL
        raise InputError(path, f"cannot be written ({FULL_SAID if is_full else _line(error, 0)})") from None


def _seal(path: Path) -> None:
    with open(path, "r+b") as file:
        file.write(hashlib.file_digest(file, "sha256").digest())


def load_state(path: Path, spec_id: str, data: str) -> dict[str, Any] | None:
    """The last state whose bytes are those that were written; None where there is none at all.

    Where the last one is damaged, says so on stderr and takes the one before. Raises InputError where every state is
    damaged, and as `load` does.
    """
    file = last_sound([file for file in (path, before(path)) if file.is_file()])
    if file is not None and not path.exists():
        print(f"warning: {path}: gone; going on from the state before", file=sys.stderr, flush=True)
    return None if file is None else load(file, spec_id, data)


def last_sound(candidates: list[Path]) -> Path | None:
    """The first of these states, the last one first, whose bytes are those that were written; None where there are no
    candidates. Says so on stderr where the first is damaged. Raises InputError where every one is."""
    for file in candidates:
        if is_sound(file):
            if file != candidates[0]:
                print(
                    f"warning: {candidates[0]}: {DAMAGED}; going on from the state before", file=sys.stderr, flush=True
                )
            return file
    if candidates:
        raise InputError(candidates[0], f"{DAMAGED}, as is any state before it; delete both to train anew")
    return None


def before(path: Path) -> Path:
    """Where the state before that of `path` lies."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def is_sound(path: Path) -> bool:
    """Whether the file ends in the digest of what stands before it."""
    if not path.is_file():
        return False
    found, left = hashlib.sha256(), path.stat().st_size - SEAL
    try:
        with open(path, "rb") as file:
            while left > 0 and (part := file.read(min(left, CHUNK))):
                found.update(part)
                left -= len(part)
            return file.read() == found.digest()
    except OSError:  # a sector that cannot be read
        return False


def read(path: Path, damaged: str) -> Any:
    """What torch saved, on the CPU; nothing is executed. InputError says `damaged` of a file that cannot be that."""
    try:
        with open(path, "rb") as file:
            if is_packed(file):
                raise InputError(path, PACKED)
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except OSError as error:
        if error.errno == errno.EINVAL:  # torch seeks to before the start of a file that was cut short
            raise InputError(path, damaged) from error
        raise InputError(path, f"cannot be read ({error.strerror or error})") from None
    except Exception as error:  # broken bytes: of a dozen types
        raise InputError(path, damaged) from error


def is_packed(file: IO[bytes]) -> bool:
    """Whether a torch file's records would become more bytes than the file has: torch itself only stores them.

    Raises zipfile.BadZipFile or RuntimeError for a broken directory of records.
    """
    start, size = file.read(4), file.seek(0, os.SEEK_END)
    file.seek(0)
    if start != b"PK\x03\x04":  # torch's older format, or none of torch's: one stream, of stated lengths
        return False
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
    file.seek(0)
    packed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
    return packed or sum(record.file_size for record in records) > size or not _has_one_directory(file, size)


def _has_one_directory(file: IO[bytes], size: int) -> bool:
    """Whether a zip file ends as torch writes it: the directory, its records, and nothing but our digest behind.

    torch's reader looks for the directory where the records say, Python's right before them: here both are one.
    """
    file.seek(max(0, size - SEAL - ZIP_END - ZIP64_END))
    tail = file.read()
    file.seek(0)
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) - end - ZIP_END not in (0, SEAL):
        return False
    length, start, comment = struct.unpack_from("<LLH", tail, end + 12)
    begin = end  # of the records
    if tail[max(0, end - 20) : end].startswith(b"PK\6\7"):
        begin = end - ZIP64_END
        (record,) = struct.unpack_from("<Q", tail, end - 12)
        if begin < 0 or record != size - len(tail) + begin or not tail.startswith(b"PK\6\6", begin):
            return False
        length, start = struct.unpack_from("<QQ", tail, begin + 40)
    return comment == 0 and start + length == size - len(tail) + begin


def load(path: Path, spec_id: str, data: str | None = None) -> dict[str, Any]:
    """The state saved for `spec_id` (and data of that digest). InputError if it is another's or damaged."""
    state = read(path, "damaged, or no checkpoint of this suite; delete it and it is made anew")
    if not isinstance(state, dict) or "spec" not in state:
        raise InputError(path, "no checkpoint of this suite: expected a mapping with 'spec'")
    if state["spec"] != spec_id:
        raise InputError(path, f"belongs to {state['spec']}, expected {spec_id}")
    if data is not None and state.get("data") != data:
        raise InputError(path, "was trained on other data than data_root holds now; delete it to train anew")
    return state


def not_finite(weights: dict[str, torch.Tensor]) -> str | None:
    """The name of a tensor that holds a value which is not finite; None where all are."""
    return next((name for name, value in weights.items() if not bool(value.isfinite().all())), None)


def load_weights(
    model: torch.nn.Module, state: dict[str, torch.Tensor] | None, path: Path, finite: bool = True
) -> None:
    """Strict: every key, shape and type of numbers must fit, and with `finite` every number be one."""
    if state is None:
        raise InputError(path, "holds no weights; delete it and it is made anew")
    own = {name: value.dtype for name, value in model.state_dict().items()}
    try:
        model.load_state_dict(state)
        other = next((name for name in own if state[name].dtype != own[name]), None)
    except (RuntimeError, TypeError, AttributeError) as error:  # the latter two: no mapping of names at all
        raise InputError(path, f"weights do not fit the spec ({_line(error, 1)})") from None
    if other is not None:
        problem = f"weights do not fit the spec ({other} is {state[other].dtype}, expected {own[other]})"
        raise InputError(path, problem)
    if finite and (name := not_finite(state)) is not None:
        raise InputError(path, f"weights are not finite ({name}); delete it and it is made anew")


def _line(error: Exception, index: int) -> str:
    """One line of what torch says, the last where it says less, its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[min(index, len(lines) - 1)][:160]
