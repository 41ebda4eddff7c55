"""The first walk: does the paper hold? Every command of the README is run here, or it says where and why not here.

What trains only plans here; `.ci/run` trains all of it at the smoke scale.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from tests.conftest import ROOT
from tests.walks.conftest import commands, jobs

from triplehead.plan.plan import load_plan

README, SETTINGS, DATA = ROOT / "README.md", ROOT / "docs" / "configuration.md", ROOT / "docs" / "data.md"
INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )?(?:make|triplehead|snakemake|python|pip) [^`]+)`")
A_READERS = {"DIR", "DATA", "RUN", "stdout.txt"}  # stand for what a reader has
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
ACTIVATE, CALIBRATE, MLFLOW = (
    "source .venv/bin/activate",
    "triplehead plan --scale paper --calibrate",
    "make mlflow",
)  # fmt: skip  each has a test of its own
CI, OWN, EIGHT = ".ci/run", "tests/walks/test_your_own.py", "tests/walks/test_eight_gpus.py"
SERVER = "tests/engine/test_server_scores.py"
ELSEWHERE = {  # command -> (a file that CI runs and that has its words, why not here, words that are others there)
    "make reproduce": (CI, "the default takes an hour", {"reproduce": "smoke"}),
    "make reproduce CONFIG=other_scale=replace": (
        "tests/workflow/test_workflow.py", "takes an hour: one table there",
        {"make": "snakemake", "reproduce": "results/table4.csv", "CONFIG=other_scale=replace": "other_scale=replace"},
    ),
    "make smoke": (CI, "takes minutes", {}),
    "make environment": ("Makefile", "what every other target does first", {}),
    "make test": (CI, "these tests themselves", {}),
    "TRIPLEHEAD_REAL_DATA=DIR make test": (CI, "these tests themselves", {}),
    "make torture": (CI, "takes minutes", {}),
    "make bench": (
        "tests/test_benchmarks.py", "takes minutes: its parts are tried there", {"make": "import", "bench": "benchmarks"},
    ),
    "triplehead new assigner mine": (OWN, "with what it writes", {}),
    "snakemake --cores 4 reproduce_all --config extra=my_experiments": (
        "docs/your-own.md", "which that walk follows, on the folder that the command before writes", {},
    ),
    "triplehead data check -c scale=paper -c data_root=DIR": (EIGHT, "on a data set that the walk makes", {}),
    "triplehead data download coco -c data_root=DIR": (
        "tests/data/test_data_commands.py", "from a server of its own: COCO is 20 GB", {},
    ),
    "snakemake --cores 2 results/table5.csv --config scale=mini data_root=DIR": (EIGHT, "likewise", {}),
    "snakemake --cores 16 results/table5.csv --config scale=paper data_root=DIR devices=8": (
        EIGHT, "planned there: trained, it takes eight GPUs and days", {},
    ),
}  # fmt: skip
TEST_DEV = {  # of docs/data.md
    "triplehead testdev pack RUN --out DIR -c scale=paper -c data_root=DATA": (
        SERVER, "wants a run that was trained on COCO", {"scale=paper": "scale=mini"},
    ),
    "triplehead testdev scores RUN stdout.txt -c scale=paper": (
        SERVER, "wants what COCO's server sent back", {"scale=paper": "scale=mini"},
    ),
    "snakemake results/table9.csv --config scale=paper data_root=DATA": (EIGHT, "planned there, too", {}),
}  # fmt: skip


def inline(page: Path) -> list[str]:
    """The command lines in a page's running text."""
    return INLINE.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE))


def words(command: str) -> list[str]:
    """What of a command must be the same wherever it is run: "-c data_root=DIR" -> ["-c", "data_root="]."""
    found = [re.sub(rf"=({'|'.join(A_READERS)})$", "=", word) for word in shlex.split(command)]
    return [word for word in found if word not in A_READERS]


def holds(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}" + ("" if word.endswith("=") else r"(?![\w-])"), text) is not None


def test_every_command_is_run_by_ci_or_says_why_not():
    known = {*PLANNED, *SAYS, *ELSEWHERE, ACTIVATE, CALIBRATE, MLFLOW}
    found = [*commands(README), *inline(README), *commands(SETTINGS), *inline(SETTINGS)]
    unknown = [command for command in found if command not in known]
    assert not unknown, f"say in {Path(__file__).name} how CI runs: {unknown}"
    assert not (known - set(found)), "not there any more"
    assert set(TEST_DEV) <= set(commands(DATA))


@pytest.mark.parametrize("command", [*ELSEWHERE, *TEST_DEV])
def test_where_it_is_run_has_its_words(command):
    file, _, others = (ELSEWHERE | TEST_DEV)[command]
    text = (ROOT / file).read_text()
    assert set(others) <= set(words(command))
    assert [word for word in words(command) if not holds(text, others.get(word, word))] == []
    if file.startswith("docs/"):
        assert f'"{Path(file).name}"' in (ROOT / OWN).read_text()


def test_a_file_without_the_words_is_found_out():
    assert words("triplehead testdev pack RUN --out DIR -c scale=paper") == [
        "triplehead", "testdev", "pack", "--out", "-c", "scale=paper",
    ]  # fmt: skip
    assert holds('run("--out", "data_root=there")', "--out") and holds("data_root=there", "data_root=")
    assert not holds("make test-fast", "test") and not holds("--outer", "--out") and not holds("all-out", "out")


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


@pytest.mark.slow
def test_calibration_at_the_paper_scale_wants_a_gpu(shell):
    said = shell(f"CUDA_VISIBLE_DEVICES= {CALIBRATE}", status=2).stderr
    assert "--calibrate: scale paper is for a GPU and torch sees none" in said


@pytest.mark.skipif(not Path(sys.prefix, "bin", "activate").is_file(), reason="no environment of venv's")
def test_the_environment_can_be_activated(shell):
    activate = ACTIVATE.replace(".venv", shlex.quote(sys.prefix))
    assert shell(f"PATH=/usr/bin:/bin; {activate} && command -v triplehead snakemake").stdout.splitlines() == [
        f"{sys.prefix}/bin/{name}" for name in ("triplehead", "snakemake")
    ]


@pytest.mark.slow
def test_mlflow_is_served_on_this_machine(tmp_path):
    """With the environment that there is: `-o` keeps make from setting one up."""
    (tmp_path / "results").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = [f"VENV={sys.prefix}", f"PORT={port}", "-o", f"{sys.prefix}/ready", "-f", ROOT / "Makefile"]
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*MLFLOW.split(), *asked], cwd=tmp_path, stdout=output, stderr=output, start_new_session=True
        )
    try:
        assert answers(f"http://127.0.0.1:{port}/", server) == 200, log.read_text()
        assert f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning" in log.read_text()
        assert (tmp_path / "results" / "mlflow.db").is_file()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def answers(address: str, server: subprocess.Popen, seconds: float = 180) -> int | None:
    """The HTTP status of an address once its server listens; None if it ends or takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            return build_opener(ProxyHandler({})).open(address, timeout=10).status
        except OSError:  # URLError, too
            time.sleep(0.5)
    return None
