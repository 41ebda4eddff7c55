"""A run that diverges: the study goes on, and everything that would have its numbers says so instead."""

import csv
import json
import sys

import pypdf
import pytest
import yaml
from tests.torture.checks import logged
from tests.torture.project import SNAKEMAKE, Project

from triplehead.tracking.store import sqlite_uri


@pytest.mark.slow
def test_the_study_goes_on_and_every_place_says_so(tmp_path):
    project = Project(tmp_path / "study")
    table = project.folder / "experiments" / "table1.yaml"
    content = yaml.safe_load(table.read_text())
    content["rows"][1]["spec"]["schedule"] = "2x"
    table.write_text(yaml.safe_dump(content))
    scale = project.folder / "experiments" / "scales" / "smoke.yaml"
    content = yaml.safe_load(scale.read_text())
    content["schedules"]["2x"] = content["schedules"]["1x"] | {"lr": 1e30, "clip_norm": None, "optimizer": "sgd"}
    scale.write_text(yaml.safe_dump(content))
    done = project.call(*SNAKEMAKE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results = project.folder / "results"

    rows = list(csv.DictReader((results / "table1.csv").open()))
    sick = [row for row in rows if row["label"] == "All"]
    assert all(row["mean"] == "" and row["n"] == "0" for row in sick)
    assert all(row["diverged"].startswith("seed 0 at iteration ") for row in sick)
    assert all(row["mean"] and not row["diverged"] for row in rows if row["label"] == "FCOS")
    assert (results / "table1.tex").read_text().count("& diverged") == 2
    run = results / "runs" / sick[0]["run_ids"]
    facts = json.loads((run / "scores.json").read_text())
    assert facts["AP"] is None and not float(facts["diverged"]["losses"]["loss"]) < 1e6
    said = next((project.folder / "logs" / "train").glob(f"{sick[0]['run_ids']}.log")).read_text()
    assert (
        f"warning: {run.name}: diverged at iteration " in said and "losses before:" in said and "Traceback" not in said
    )

    claim = next(csv.DictReader((results / "claims.csv").open()))
    assert claim["verdict"] == "inconclusive" and claim["says"].startswith("Inconclusive: diverged (All, seed 0 at ")
    pages = "".join(page.extract_text() for page in pypdf.PdfReader(project.folder / "reports" / "report.pdf").pages)
    assert "diverged" in pages and "No mean is taken" in pages

    def statuses():
        found = logged(sqlite_uri(results / "mlflow.db"))
        return {name: status for experiment, name, status, *_ in found if experiment.startswith("Training")}

    assert statuses() == {"Table 1: FCOS · seed 0": "FINISHED", "Table 1: All · seed 0": "FAILED"}
    rebuilt = project.call(sys.executable, "-m", "triplehead", "track", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert statuses() == {"Table 1: FCOS · seed 0": "FINISHED", "Table 1: All · seed 0": "FAILED"}
