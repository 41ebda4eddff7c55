"""Data sets in the DAG: fetched only where that is asked for, and never trained on anew because of it."""

import re
import shutil
from pathlib import Path

import pytest
from tests.data import official
from tests.data.server import serve
from tests.helpers import put_resamples
from tests.workflow.test_workflow import clone, snakemake  # noqa: F401  a fixture

from triplehead.plan.plan import load_plan


@pytest.fixture
def server():
    with serve() as server:
        yield server


@pytest.fixture
def project(clone: Path, server, monkeypatch) -> Path:  # noqa: F811
    """A project whose COCO is a small one that a server on the loopback address has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    packed = official.pack(official.write(clone / "authors"))
    server.files = {f"/{name}": content for name, content in packed.items()}
    official.declare(clone / "experiments", packed, server.address)
    return clone


def manifest(project: Path, table: str = "table5") -> str:
    row = load_plan({"scale": "mini"}, project / "experiments").specs[table, "FCOS"][0]
    return f"results/data/{row.data_id}/manifest.json"


def call(project: Path, target: str, *config: str, dry: bool = False):
    options = ["--cores", "1", *(["-n"] if dry else [])]
    return snakemake(project, target, *options, "--config", "scale=mini", "data_root=root", *config)


@pytest.mark.slow
def test_it_is_fetched_only_where_that_is_asked_for(project, server):
    (project / "root").mkdir()
    refused = call(project, manifest(project))
    assert refused.returncode != 0
    said = refused.stdout + refused.stderr
    assert (
        "error: root/coco/annotations/instances_train2017.json: no such file" in said
        and "`triplehead data download coco -c data_root=root`" in said
    )
    assert server.requests == []

    done = call(project, manifest(project), "download=true", "data_complete=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(server.requests) == 3 and (project / manifest(project)).is_file()


@pytest.mark.slow
def test_by_hand_ends_with_what_to_do(project, server):
    result = call(project, manifest(project, "table7"), "download=true")
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "https://github.com/VisDrone/VisDrone-Dataset" in said and "it must be fetched by hand" in said


def test_asking_or_not_retrains_nothing(project, monkeypatch):
    """The books of a run that fetched its data are those of one that found them."""
    monkeypatch.setenv("AUTHORS", str(project / "authors"))
    for file in (project / "workflow" / "rules").glob("*.smk"):
        text = file.read_text().replace(
            '"triplehead data download {wildcards.layout:q} > {log:q} 2>&1"',
            '"mkdir -p root && cp -r $AUTHORS root/coco"',
        )
        file.write_text(re.sub(r'"triplehead [^"]*"', '"touch {output:q}"', text))
    done = call(project, "results/table5.csv", "download=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "root/coco/annotations/instances_val2017.json").is_file()
    put_resamples(project, "mini")
    for settings in ((), ("download=true",), ("data_mirror=http://127.0.0.1:1",)):
        assert "Nothing to be done" in call(project, "results/table5.csv", *settings, dry=True).stdout, settings
    # Whether they are complete is looked at once it is demanded, and that is all.
    looked = call(project, "results/table5.csv", "data_complete=true")
    said = looked.stdout + looked.stderr
    assert looked.returncode == 0 and "begun  data " in said and "begun  train " not in said
    # So it is where data_root has moved.
    shutil.move(project / "root", project / "elsewhere")
    said = call(project, "results/table5.csv", "data_root=elsewhere").stderr
    assert "begun  data " in said and "begun  train " not in said
    shutil.move(project / "elsewhere", project / "root")
    assert "begun  train " not in call(project, "results/table5.csv").stderr
    shutil.move(project / "results/data/coco.downloaded", project / "gone")
    assert "rule train:" not in call(project, "results/table5.csv", dry=True).stdout
