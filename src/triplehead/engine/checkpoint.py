"""Training state and final weights on disk: written whole or not at all, read without executing anything."""

import pickle
import zipfile
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
            raise InputError(path, f"cannot be written ({str(error).splitlines()[0][:160]})") from None


def load(path: Path, spec_id: str, data: str | None = None) -> dict[str, Any]:
    """The state saved for `spec_id` (and data of that digest). InputError if it is another's or damaged."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(path, f"damaged or no checkpoint ({str(error).splitlines()[0][:120]}); delete it") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
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
    except RuntimeError as error:
        raise InputError(path, f"weights do not fit the spec ({str(error).splitlines()[1].strip()[:160]})") from None
