"""The paper scale really trains: its detectors and its own way to data and weights, on a CPU, five small images long."""

import hashlib
import json

import pytest

from triplehead.plan.plan import load_plan

SHORT = {"iterations": 5, "batch_size": 1, "short_side": 64}
REST = "data_complete=false accelerator=cpu"


@pytest.mark.slow
def test_rows_of_table_5_train_five_iterations(clone, shell, root):
    plan = load_plan({"scale": "paper", **SHORT})
    runs = {label: plan.specs["table5", label][0] for label in ("FCOS", "All")}
    settings = " ".join(f"{key}={value}" for key, value in SHORT.items())
    files = " ".join(f"results/runs/{spec.id}/scores.json" for spec in runs.values())
    shell(f"snakemake --cores 2 {files} --config scale=paper data_root={root} {settings} {REST}")
    weights = hashlib.sha256((root / "weights" / "R-50.pkl").read_bytes()).hexdigest()
    published = load_plan({"scale": "paper"}).specs
    for label, spec in runs.items():
        folder = clone / "results" / "runs" / spec.id
        assert spec.detector == published["table5", label][0].detector  # ResNet-50 and 256 channels, nothing smaller
        assert json.loads((folder / "spec.json").read_text()) == spec.model_dump(mode="json")
        assert json.loads((folder / "scores.json").read_text())["images"] == 4
        assert json.loads((folder / "environment.json").read_text())["weights"] == weights
        log = (clone / "logs" / "train" / f"{spec.id}.log").read_text().splitlines()
        assert log[0].startswith("trains on ") and any(line.startswith("5/5") for line in log)
