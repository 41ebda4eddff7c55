"""Whether a run's numbers are of the data and of the backbone that are there now."""

from pathlib import Path

from triplehead.digests import known
from triplehead.errors import InputError
from triplehead.plan.runs import RunSpec
from triplehead.reading import read_mapping

ORIGINS = ("data", "data_val", "backbone")  # keys of environment.json, each with a digest


def check_origins(spec: RunSpec, runs: Path) -> None:
    """Raise InputError where the run in `runs` was trained or scored on other images or annotations, or started from
    another backbone. No rule trains it anew by itself: that would throw a training of days away."""
    results, environment = runs.parent, runs / spec.id / "environment.json"
    if not environment.is_file():
        return
    of_run, now = read_mapping(environment), {}
    manifest = results / "data" / spec.data_id / "manifest.json"
    if manifest.is_file():
        splits = read_mapping(manifest).get("splits", {})
        for key, split in (("data", "train"), ("data_val", "val")):
            now[key] = splits.get(split, {}).get("digest"), f"{split} split than {manifest}"
    if spec.pretrained_id:
        backbone = results / "pretrained" / f"{spec.pretrained_id}.pt"
        now["backbone"] = known(f"pretrain/{spec.pretrained_id}", backbone, results), f"backbone than {backbone}"
    for key, (digest, what) in now.items():
        if None not in (digest, of_run.get(key)) and of_run[key] != digest:
            problem = f"is of another {what} is of now; put that back, or delete the folder to train anew"
            raise InputError(environment.parent, problem)
