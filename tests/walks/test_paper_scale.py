"""The paper scale really trains: its detectors and its own way to data and weights, on a CPU, five small images long."""

import hashlib
import json
import os
import shutil

import pytest
from tests.helpers import write_msra

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
        environment = json.loads((folder / "environment.json").read_text())
        (made,) = (clone / "results" / "digests" / "pretrain").glob("*.json")
        assert environment["weights"] == weights and [environment["backbone"]] == [
            *json.loads(made.read_text()).values()
        ]
        log = (clone / "logs" / "train" / f"{spec.id}.log").read_text().splitlines()
        assert log[0].startswith("trains on ") and any(line.startswith("5/5") for line in log)


@pytest.mark.slow
def test_every_run_trains_five_iterations(clone, shell, real_data, tmp_path):
    """On the real samples of COCO, VOC and VisDrone, to scores, intervals and MLflow."""
    if not os.environ.get("TRIPLEHEAD_EVERY_RUN"):
        pytest.skip("TRIPLEHEAD_EVERY_RUN=1 asks for all runs of the paper scale: 20 minutes beside other work")
    shutil.rmtree(clone / "results", ignore_errors=True)  # runs of the same specs on the data of the test above
    for depth in (50, 101):
        write_msra(tmp_path, depth)
    settings = " ".join(f"{key}={value}" for key, value in SHORT.items())
    config = f"scale=paper data_root={real_data} weights_root={tmp_path} {settings} {REST}"
    plan = load_plan({"scale": "paper", **SHORT})
    assert {run.spec.data.layout for run in plan.runs.values()} == {"coco", "voc", "visdrone"}
    for exhibit in plan.exhibits:
        if runs := plan.run_ids(exhibit):
            shell(
                f"snakemake --cores 2 {' '.join(f'results/runs/{run}/scores.json' for run in runs)} --config {config}"
            )
    for run in plan.runs:
        scores = json.loads((clone / "results" / "runs" / run / "scores.json").read_text())
        assert scores["AP"] is not None and scores["images"] >= 2
        assert "\n5/5" in (clone / "logs" / "train" / f"{run}.log").read_text()
