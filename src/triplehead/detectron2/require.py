"""Whether detectron2 is there."""

from triplehead.errors import InputError
from triplehead.plan.engines import importable


def require_detectron2() -> None:
    """Raise InputError where detectron2 cannot be imported."""
    if not importable():
        raise InputError("detectron2", "cannot be imported here; docs/detectron2.md says how to get it")
