"""The third walk: somebody's own assigner beside the paper's, by docs/your-own.md as it stands."""

import csv
import shutil
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.walks.conftest import blocks, commands, jobs

from triplehead.plan.plan import load_plan

PAGE = ROOT / "docs" / "your-own.md"
TINY = "iterations=4"  # the same command, less training


def tiny(command: str) -> str:
    """A command of the page with settings under which it takes seconds; one whose DAG is large only plans."""
    if command.startswith("snakemake"):
        plans = "simota_lite" not in command
        return f"{command} {TINY}{' scale=smoke' if 'scale=' not in command else ''}{' -n' if plans else ''}"
    return f"{command} -c {TINY}" if command.startswith(("triplehead plan", "triplehead claims")) else command


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_an_assigner_of_ones_own_stands_beside_the_papers(clone, shell):
    start, example = commands(PAGE)[:5], commands(PAGE)[5:]
    assert start[0] == "triplehead new assigner mine" and len(example) == 2
    said = [shell(tiny(command)) for command in start]
    assert "edit my_experiments/mine.py" in said[0].stdout and "4 passed" in said[1].stdout
    assert "mine: Mine" in said[2].stdout
    assert jobs(said[3])["train"] == 8  # Table 5's rows and one's own
    assert jobs(said[4])["train"] == len(load_plan({"scale": "smoke"}).runs) + 1 and jobs(said[4])["report"] == 1

    files = [
        block for language in ("python", "yaml") for block in blocks(PAGE, language) if block.startswith("# my_exp")
    ]
    assert len(files) == 3
    for text in files:
        (clone / text.splitlines()[0].removeprefix("# ")).write_text(text.partition("\n")[2])
    paper = load_plan({"scale": "smoke", "iterations": 4})
    shell(tiny(example[0]))
    found = {(row["label"], row["metric"]): row for row in rows(clone / "results" / "simota_lite.csv")}
    assert {label for label, _ in found} == {"Baseline", "JLA", "SimOTA-lite"}
    assert all(row["n"] == "1" and row["low"] and row["high"] for row in found.values())
    assert found["JLA", "AP"]["run_ids"] == paper.specs["table5", "JLA"][0].id  # shared, not trained twice
    assert found["JLA", "AP"]["published"] == "38.0000" and not found["SimOTA-lite", "AP"]["published"]
    own = found["SimOTA-lite", "AP"]["run_ids"]
    assert own.startswith("smoke-coco-fcos-SimOTALite-s0-")
    history = rows(clone / "results" / "runs" / own / "history.csv")
    assert all(float(row["positives"]) > 0 for row in history)
    ledger = {row["claim"]: row for row in rows(clone / "results" / "claims.csv")}
    assert list(ledger)[:-1] == [claim.id for claim in paper.claims.claims]
    assert ledger["simota-below-jla"]["section"] == "yours"
    assert "JLA gains over SimOTA" in shell(tiny(example[1])).stdout

    # What was trained stays trained, wherever the folder lies; an edit is another run.
    moved = shutil.move(clone / "my_experiments", clone.parent / "other experiments")
    table = f"snakemake -n --cores 1 results/simota_lite.csv --config scale=smoke {TINY} 'extra={moved}'"
    assert "Nothing to be done" in shell(table).stdout
    with open(Path(moved) / "simota_lite.py", "a") as file:
        file.write("# A comment is an edit.\n")
    assert jobs(shell(table))["train"] == 1
    assert "train" not in jobs(shell(f"snakemake -n --cores 1 results/claims.csv --config scale=smoke {TINY}"))


def test_a_mistake_in_ones_own_folder_ends_before_anything_runs(clone, shell):
    folder = clone / "wrong experiments"
    shell(f"triplehead new assigner mine --into '{folder}'")
    (folder / "mine.py").write_text((folder / "mine.py").read_text().replace("def __call__", "def call"))
    for command in (
        f"snakemake --cores 1 results/mine.csv --config scale=smoke 'extra={folder}'",
        f"triplehead plan --scale smoke --extra '{folder}'",
    ):
        said = shell(command, status=2).stderr.strip().splitlines()
        assert said[-1].startswith(
            f"error: {folder}/mine.yaml: rows.0.spec.assigner.class: Mine has no __call__(predictions"
        )
        assert "Traceback" not in "".join(said)
