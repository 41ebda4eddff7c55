"""Disk that a plan's runs take. Counting a detector takes torch and seconds: what was counted is kept in the user's
cache, by the code that counted it."""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.cost import Footprint, val_images
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec, digest

COUNTED = ("torch", "torchvision")  # whose layers are counted


def footprints(plan: Plan, cache: Path | None = None) -> dict[str, Footprint]:
    """Run id -> its footprint. Each kind of model is built once, and not at all where `cache` knows it."""
    cache = cache or _cache()
    known = _read(cache)
    specs = {run.spec.group: run.spec for run in plan.runs.values()}
    of_group = {group: kind_of(spec) for group, spec in specs.items()}
    kinds = {run_id: of_group[run.spec.group] for run_id, run in plan.runs.items()}
    missing = {kind: run_id for run_id, kind in kinds.items() if kind not in known}
    if missing:
        from triplehead.engine.footprint import footprint

        known |= {kind: footprint(plan.runs[run_id].spec) for kind, run_id in missing.items()}
        with suppress(InputError), atomic(cache) as file:
            file.write_text(json.dumps({kind: [each.run, each.state] for kind, each in known.items()}))
    return {run_id: known[kind] for run_id, kind in kinds.items()}


def kind_of(spec: RunSpec) -> str:
    """The same for specs that take the same disk: how an assigner or a loss is set has no weights."""
    detector = spec.detector.model_dump(mode="json", exclude={"loss"})
    if "assigner" in detector:
        detector["assigner"] = detector["assigner"]["name"]
    schedule = spec.schedule.optimizer
    return digest(
        {"detector": detector, "classes": spec.num_classes, "optimizer": schedule, "images": val_images(spec)}
    )


def _cache() -> Path:
    """A file for each version of the code and of the libraries."""
    package = Path(__file__).parent
    sources = [package / "engine" / "footprint.py", *sorted((package / "detectors").rglob("*.py"))]
    code = hashlib.sha256()
    for text in (*(file.read_bytes() for file in sources), *(version(name).encode() for name in COUNTED)):
        code.update(hashlib.sha256(text).digest())
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        folder = Path(tempfile.gettempdir())
    return folder / "triplehead" / f"footprints-{code.hexdigest()[:16]}.json"


def _read(cache: Path) -> dict[str, Footprint]:
    try:
        return {kind: Footprint(*map(int, sizes)) for kind, sizes in json.loads(cache.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
