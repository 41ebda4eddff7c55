"""The second walk: the real Table 5 on eight GPUs, with COCO's layout, two processes on a CPU, and two iterations.

The commands are those of README.md, docs/data.md and docs/training.md; what trains for days there only plans, and trains at the mini
scale on images that the walk writes.
"""

import csv

import pytest
from tests.conftest import ROOT
from tests.walks.conftest import commands, jobs

from triplehead.plan.plan import load_plan

TINY = "iterations=2 batch_size=2 short_side=64 accelerator=cpu"
CHECK = "triplehead data check -c scale=paper -c data_root=DIR"
PLAN = "triplehead plan table5 --scale paper --gpus 8"
EIGHT = "snakemake --cores 16 results/table5.csv --config scale=paper data_root=DIR devices=8"
NINE = "snakemake results/table9.csv --config scale=paper data_root=DATA"
MINI = "snakemake --cores 2 results/table5.csv --config scale=mini data_root=DIR"


def test_the_commands_are_the_readmes():
    assert {CHECK, EIGHT, MINI} <= set(commands(ROOT / "README.md"))
    assert NINE in commands(ROOT / "docs" / "data.md")
    assert PLAN in commands(ROOT / "docs" / "training.md")
    assert "triplehead plan --scale paper --gpus 8" in commands(ROOT / "docs" / "cluster.md")


@pytest.mark.slow
def test_from_the_data_to_table_5(clone, shell, root):
    check = shell(CHECK.replace("DIR", str(root)), status=2)
    assert "has 8 images, expected 118,287" in check.stderr  # a sample is not what the scale demands
    said = shell("triplehead plan --scale paper --gpus 8").stdout
    assert f"{len(load_plan({'scale': 'paper'}).runs)} runs of" in said and "8 at once" in said
    assert "7 runs of 7 specs" in shell(PLAN).stdout
    planned = jobs(shell(f"{EIGHT.replace('DIR', str(root))} -n"))
    assert (planned["train"], planned["pretrain"], planned["data"], planned["table"]) == (7, 1, 1, 1)
    planned = jobs(shell(f"{NINE.replace('DATA', str(root))} -n"))
    assert (planned["train"], planned["pretrain"], planned["data"], planned["table"]) == (2, 2, 1, 1)

    mini = f"{MINI.replace('DIR', str(root))} {TINY}"
    plan = load_plan({"scale": "mini", "iterations": 2, "batch_size": 2, "short_side": 64})
    shared = plan.specs["table5", "All"][0].id
    # One run on two processes; the others on one, which is the same run by another number of devices.
    shell(mini.replace("results/table5.csv", f"results/runs/{shared}/scores.json") + " devices=2")
    assert "2/2" in (clone / "logs" / "train" / f"{shared}.log").read_text()
    said = shell(mini.replace("iterations", "devices=1 iterations"))
    assert (said.stdout + said.stderr).count("begun  train ") == 6
    with (clone / "results" / "table5.csv").open(newline="") as file:
        rows = {(row["label"], row["metric"]): row for row in csv.DictReader(file)}
    assert len(rows) == 21 and all(row["n"] == "1" and row["mean"] for row in rows.values())
    assert rows["All", "AP"]["run_ids"] == shared and rows["All", "AP"]["published"] == "40.3000"
    again = jobs(shell(f"{mini} devices=2 -n"))  # the caption knows the devices, the runs do not
    assert "train" not in again and "table" in again
