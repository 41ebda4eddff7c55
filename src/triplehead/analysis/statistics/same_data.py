"""Whether a run's numbers are of the data that are prepared now."""

from pathlib import Path

from triplehead.errors import InputError
from triplehead.plan.runs import RunSpec
from triplehead.reading import read_mapping

SPLITS = {"data": "train", "data_val": "val"}  # by the key of their digest in environment.json


def check_data(spec: RunSpec, runs: Path) -> None:
    """Raise InputError where the run in `runs` was trained or scored on other images or annotations: no rule trains it
    anew by itself, as that would throw a training of days away."""
    environment, manifest = runs / spec.id / "environment.json", runs.parent / "data" / spec.data_id / "manifest.json"
    if not (environment.is_file() and manifest.is_file()):
        return
    of_run, splits = read_mapping(environment), read_mapping(manifest).get("splits", {})
    for key, split in SPLITS.items():
        now = splits.get(split, {}).get("digest")
        if None not in (now, known := of_run.get(key)) and known != now:
            problem = f"is of another {split} split than {manifest} is of now"
            raise InputError(environment.parent, f"{problem}; put those data back, or delete the folder to train anew")
