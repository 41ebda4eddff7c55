"""The user's own folder under Snakemake: what is planned, what the jobs learn of it, and what an edit costs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers import put_resamples
from tests.workflow.test_workflow import clone, snakemake  # noqa: F401  clone is a fixture

from triplehead.cli.new import Part, new


@pytest.fixture
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "my experiments"
    new(Part.assigner, "mine", folder)
    return folder


def rules_that_only_write(clone: Path) -> None:  # noqa: F811
    """Commands that leave the configuration which they were given in each of their outputs."""
    write = "'printenv TRIPLEHEAD_CONFIG PYTHONPATH | tee {output:q} > /dev/null'"
    for file in (clone / "workflow" / "rules").glob("*.smk"):
        file.write_text(re.sub(r'"triplehead [^"]*"', write, file.read_text()))


def planned(clone: Path, *arguments: str) -> str:  # noqa: F811
    result = snakemake(clone, "-n", "--cores", "1", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_jobs_learn_the_whole_path_and_nothing_else_changes(clone, folder, monkeypatch):  # noqa: F811
    before = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), "/as/it/was")))
    monkeypatch.setenv("PYTHONPATH", before)
    rules_that_only_write(clone)
    (clone / "near").symlink_to(folder, target_is_directory=True)
    table = ["results/mine.csv", "results/mine_figure.pdf", "--config", "scale=smoke"]
    done = snakemake(clone, "--cores", "2", *table, "extra=near")
    assert done.returncode == 0, done.stderr
    put_resamples(clone, "smoke")
    config, path = (clone / "results" / "mine.csv").read_text().splitlines()
    assert json.loads(config) == {"scale": "smoke", "extra": str(clone / "near")}
    assert path == before

    # The folder by another name, and the paper's tables without it: nothing is made again.
    assert "Nothing to be done" in planned(clone, *table, f"extra={folder}")
    paper = planned(clone, "results/table5.csv", "--config", "scale=smoke")
    assert "rule train:" not in paper
    source = folder / "mine.py"
    source.write_text(source.read_text().replace("= 1.5", "= 2.5"))
    edited = planned(clone, *table, f"extra={folder}")
    assert edited.count("rule train:") == 1 and "rule table:" in edited and "rule data:" not in edited
    assert len(list((clone / "results" / "runs").glob("*-Mine-*"))) == 1  # the old run stays


def test_a_folder_that_is_not_there_ends_before_anything_runs(clone):  # noqa: F811
    result = snakemake(clone, "results/table5.csv", "--config", "extra=nowhere")
    assert result.returncode == 2 and "error: nowhere: no such folder" in result.stderr
    assert "Traceback" not in result.stderr and not (clone / "results").exists()


def test_without_it_no_module_of_torch_is_imported(clone):  # noqa: F811
    """Only a class of the user's brings torch into Snakemake's process."""
    code = "import sys; from triplehead.plan.plan import load_plan; load_plan(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=clone, capture_output=True, text=True).stdout == "False\n"
