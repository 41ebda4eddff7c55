"""Training state and final weights on disk: written whole or not at all, read without executing anything.

Of a training's state the one before is kept too, and the digests of both: bytes that a disk has changed are no state,
and the one before stands in.
"""

import errno
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from triplehead.errors import InputError
from triplehead.paths import atomic

FULL, FULL_SAID = 1 << 20, os.strerror(errno.ENOSPC)  # bytes that a full disk may still have


def save(path: Path, spec_id: str, **state: Any) -> None:
    """Write `state` and whose it is. Raises InputError where the disk will not take it."""
    with atomic(path) as temporary:
        try:
            torch.save({"spec": spec_id} | state, temporary)
        except RuntimeError as error:  # what torch makes of a full or read-only disk; it does not say which
            is_full = shutil.disk_usage(path.parent).free < FULL
            raise InputError(path, f"cannot be written ({FULL_SAID if is_full else _line(error, 0)})") from None


def save_state(path: Path, spec_id: str, **state: Any) -> None:
    """As `save`; what lay at `path` becomes the state before it, if it is sound. A kill at any moment leaves one."""
    fresh = path.with_name(f".{path.name}.fresh")
    save(fresh, spec_id, **state)
    known = _known(path)
    is_sound = path.is_file() and digest(path) in (known or ())
    kept = [digest(path if is_sound else before(path))] if is_sound or before(path).is_file() else []
    with atomic(_digests(path)) as file:
        file.write_text("".join(f"{each}\n" for each in (digest(fresh), *kept)))
    if is_sound:
        os.replace(path, before(path))
    os.replace(fresh, path)


def load_state(path: Path, spec_id: str, data: str) -> dict[str, Any] | None:
    """The last state whose bytes are those that were written; None where there is none at all.

    Where the last one is damaged, says so on stderr and takes the one before. Raises InputError where every state is
    damaged, and as `load` does.
    """
    candidates = [file for file in (path, before(path)) if file.is_file()]
    known = _known(path)
    for file in candidates:
        if known is None or digest(file) in known:
            if file != path:
                fate = "damaged, not the bytes that were written" if path.exists() else "gone"
                print(f"warning: {path}: {fate}; going on from the state before", file=sys.stderr, flush=True)
            return load(file, spec_id, data)
    if not candidates:
        return None
    problem = "damaged, not the bytes that were written, as is any state before it; delete both to train anew"
    raise InputError(candidates[0], problem)


def before(path: Path) -> Path:
    """Where the state before that of `path` lies."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digests(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _known(path: Path) -> list[str] | None:
    """The digests of the states that were written; None where nothing says."""
    return _digests(path).read_text(errors="replace").split() if _digests(path).is_file() else None


def read(path: Path, damaged: str) -> Any:
    """What torch saved, on the CPU; nothing is executed. InputError says `damaged` of a file that cannot be that."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        if error.errno == errno.EINVAL:  # torch seeks to before the start of a file that was cut short
            raise InputError(path, damaged) from error
        raise InputError(path, f"cannot be read ({error.strerror or error})") from None
    except Exception as error:  # broken bytes: of a dozen types
        raise InputError(path, damaged) from error


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


def load_weights(model: torch.nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Strict: every key and shape must fit."""
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:  # the latter two: no mapping of names at all
        raise InputError(path, f"weights do not fit the spec ({_line(error, 1)})") from None


def _line(error: Exception, index: int) -> str:
    """One line of what torch says, the last where it says less, its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[min(index, len(lines) - 1)][:160]
