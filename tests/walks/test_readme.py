"""The first walk: does the paper hold? Every command of the README is run here, or it says where and why not here.

What trains only plans here; `.ci/run` trains all of it at the smoke scale.
"""

from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.walks.conftest import commands, jobs

from triplehead.plan.plan import load_plan

README = ROOT / "README.md"
PLANNED = {  # command -> the rule at its end: run here with -n
    "snakemake --cores 4 reproduce_all": "report",
    "snakemake results/table5.csv results/fig4.pdf": "figure",
    "snakemake --cores 4 silence": "silence_effects",
}
SAYS = {  # command -> what it prints on a clone without results
    "triplehead status": "left",
    "triplehead plan": "CPU-minutes",
    "triplehead plan --silence": "silence",
    "triplehead plan --power": "seed",
    "triplehead params": "34,614,307",
    "triplehead claims": "not measured at this scale",
    "triplehead audit": "contradictions",
    "triplehead verify": "3 within",
}
ELSEWHERE = {  # command -> (the file that CI runs it from, why not here)
    "triplehead new assigner mine": ("tests/walks/test_your_own.py", "with what it writes"),
    "snakemake --cores 4 reproduce_all --config extra=my_experiments": (
        "tests/walks/test_your_own.py", "on the folder that the command before writes",
    ),
    "make reproduce": (".ci/run", "as make smoke, the same at the smoke scale: the default takes an hour"),
    "make test": (".ci/run", "these tests themselves"),
    "source .venv/bin/activate": ("Makefile", "make puts the environment's programs first by itself"),
    "snakemake --cores 2 results/table5.csv --config scale=mini data_root=DIR": (
        "tests/walks/test_eight_gpus.py", "on a data set that the walk makes",
    ),
    "triplehead data check -c scale=paper -c data_root=DIR": ("tests/walks/test_eight_gpus.py", "likewise"),
    "snakemake --cores 16 results/table5.csv --config scale=paper data_root=DIR devices=8": (
        "tests/walks/test_eight_gpus.py", "planned there: trained, it takes eight GPUs and days",
    ),
    "triplehead data download coco -c data_root=DIR": (
        "tests/workflow/test_download.py", "from a server of its own: COCO is 20 GB",
    ),
    "triplehead testdev pack RUN --out DIR -c scale=paper -c data_root=DIR": (
        "tests/engine/test_testdev.py", "wants a run that was trained on COCO",
    ),
    "triplehead testdev scores RUN stdout.txt -c scale=paper": (
        "tests/engine/test_server_scores.py", "wants what COCO's server sent back",
    ),
    "snakemake results/table9.csv --config scale=paper data_root=DIR": (
        "tests/workflow/test_training.py", "the paper scale is planned there, Table 9 included",
    ),
}  # fmt: skip


def test_every_command_is_run_by_ci_or_says_why_not():
    known = {**PLANNED, **SAYS, **ELSEWHERE}
    found = commands(README)
    unknown = [command for command in found if command not in known]
    assert not unknown, f"say in {Path(__file__).name} how CI runs: {unknown}"
    assert not (set(known) - set(found)), "not in the README any more"
    for command, (file, _) in ELSEWHERE.items():
        assert (ROOT / file).is_file(), command


@pytest.mark.slow
@pytest.mark.parametrize("command", PLANNED)
def test_what_trains_plans_as_typed(command, shell):
    cores = "" if "--cores" in command else " --cores 2"
    planned = jobs(shell(f"{command}{cores} -n"))
    assert planned[PLANNED[command]] == 1
    if command.endswith("reproduce_all"):
        assert planned["train"] == len(load_plan().runs)


@pytest.mark.slow
@pytest.mark.parametrize("command", SAYS)
def test_what_only_looks_answers_on_a_fresh_clone(command, shell):
    assert SAYS[command] in shell(command).stdout
