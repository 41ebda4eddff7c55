"""Training state and final weights on disk: written whole or not at all, read without executing anything."""

import errno
from pathlib import Path
from typing import Any

import torch

from triplehead.errors import InputError
from triplehead.paths import atomic


def save(path: Path, spec_id: str, **state: Any) -> None:
    with atomic(path) as temporary:
        try:
            torch.save({"spec": spec_id} | state, temporary)
        except RuntimeError as error:  # what torch makes of a full or read-only disk
            raise InputError(path, f"cannot be written ({_line(error, 0)})") from None


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
