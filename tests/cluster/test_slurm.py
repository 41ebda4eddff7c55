"""The DAG through a real Slurm: what jobs ask for and see, and that a job that is cut off goes on."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from triplehead.plan.plan import load_plan

pytestmark = pytest.mark.slurm
ROOT = Path(__file__).parents[2]
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))
# The profile waits as befits a cluster; one node answers at once.
QUICK = [
    "--slurm-init-seconds-before-status-checks",
    "2",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "15",
]


def submit(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = {key: value for key, value in os.environ.items() if key != "TRIPLEHEAD_CONFIG"}
    command = [SNAKEMAKE, "--workflow-profile", "profiles/slurm", *QUICK, *arguments, "--config", "scale=smoke"]
    log = (folder / "snakemake.log").open("w")
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def finish(process: subprocess.Popen, folder: Path, limit: int) -> str:
    """Wait for success -> what Snakemake said."""
    try:
        status = process.wait(timeout=limit)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    said = (folder / "snakemake.log").read_text()
    assert status == 0, said[-3000:]
    return said


def jobs() -> list[dict[str, str]]:
    """Every job that Slurm remembers."""
    shown = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True, check=True).stdout
    pairs = (dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.splitlines())
    return [job for job in pairs if "JobId" in job]


def jobs_of(said: str, rule: str) -> list[dict[str, str]]:
    """The Slurm jobs that Snakemake submitted for a rule."""
    ids = set(re.findall(rf"SLURM jobid (\d+) \(log: \S*/rule_{rule}/", said))
    return [job for job in jobs() if job["JobId"] in ids]


def longer(folder: Path, iterations: int) -> str:
    """Make the smoke scale's training last; the id of Table 5's JLA."""
    file = folder / "experiments" / "scales" / "smoke.yaml"
    text = file.read_text().replace("    iterations: 30\n", f"    iterations: {iterations}\n")
    file.write_text(text.replace("checkpoint_every: 10", "checkpoint_every: 20"))
    spec = load_plan({"scale": "smoke"}, folder / "experiments").specs["table5", "JLA"][0]
    assert (spec.schedule.iterations, spec.schedule.checkpoint_every) == (iterations, 20)
    return spec.id


def add_resources(folder: Path, train: str) -> None:
    file = folder / "experiments" / "scales" / "smoke.yaml"
    file.write_text(f"{file.read_text()}resources:\n  train: {{{train}}}\n")


def wait_for(process: subprocess.Popen, folder: Path, run: str, iteration: int) -> None:
    """Until the run has reported that iteration."""
    deadline = time.monotonic() + 240
    while max(reported(folder, run), default=0) < iteration:
        assert process.poll() is None and time.monotonic() < deadline, (folder / "snakemake.log").read_text()[-3000:]
        time.sleep(0.2)


def reported(folder: Path, run: str) -> list[int]:
    """The iterations in the log of a run's last attempt, which holds nothing of those before."""
    log = folder / "logs" / "train" / f"{run}.log"
    return [int(done) for done in re.findall(r"(?m)^(\d+)/", log.read_text())] if log.exists() else []


def test_jobs_ask_for_what_the_scale_says_and_see_gpu_and_configuration(slurm, clone):
    add_resources(clone, "runtime: 7, mem_mb: 300, gpu: 1")
    for file in (clone / "workflow" / "rules").glob("*.smk"):
        rule = re.sub(r'"triplehead [^"]*"', '"touch {output:q}"', file.read_text())
        if file.stem == "train":
            head, train = rule.split("rule train:")
            see = "echo $CUDA_VISIBLE_DEVICES $TRIPLEHEAD_CONFIG > seen.{wildcards.run}; sleep 10; touch {output:q}"
            rule = "rule train:".join([head, train.replace("touch {output:q}", see)])
        file.write_text(rule)
    said = finish(submit(clone, "results/table3.csv"), clone, 300)
    plan = load_plan({"scale": "smoke"}, clone / "experiments")
    asked = jobs_of(said, "train")
    assert len(asked) == len(plan.run_ids("table3")) == 3
    for job in asked:
        assert job["TimeLimit"] == "00:07:00" and job["Requeue"] == "1" and job["NumNodes"].split("-")[-1] == "1"
        assert job["MinMemoryNode"] == "300M" and "gres:gpu:1" in job["TresPerJob"]
    seen = [(clone / f"seen.{run}").read_text().split(" ", 1) for run in plan.run_ids("table3")]
    assert {gpu for gpu, _ in seen} == {"0", "1"}  # two at once on this node
    assert all(json.loads(config) == {"scale": "smoke"} for _, config in seen)
    assert jobs_of(said, "speed")[0]["OverSubscribe"] == "NO"  # alone on its node
    assert "TresPerJob" not in jobs_of(said, "table")[0]


@pytest.mark.slow
def test_a_preempted_run_goes_on_where_it_was_and_ends_with_the_same_bytes(slurm, clone, tmp_path_factory):
    run = longer(clone, 400)
    process = submit(clone, f"results/runs/{run}/scores.json")
    wait_for(process, clone, run, 120)
    urgent = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wait", "--wrap=sleep 1"]
    subprocess.run(urgent, check=True, capture_output=True, timeout=300)
    said = finish(process, clone, 600)
    (job,) = jobs_of(said, "train")
    assert job["JobState"] == "COMPLETED" and int(job["Restarts"]) >= 1
    assert min(reported(clone, run)) > 80  # each 40th is reported, each 20th kept

    here = tmp_path_factory.mktemp("undisturbed")
    for name in ("workflow", "experiments", "profiles", "reports", "Snakefile", "environment.yml"):
        (here / name).symlink_to(clone / name)
    command = [SNAKEMAKE, "--cores", "1", f"results/runs/{run}/scores.json", "--config", "scale=smoke"]
    subprocess.run(command, cwd=here, check=True, capture_output=True, timeout=600)
    for name in ("model.pt", "history.csv", "scores.json", "detections.json.gz", "assignments.json.gz"):
        cut, whole = ((folder / "results" / "runs" / run / name).read_bytes() for folder in (clone, here))
        assert cut == whole, name


@pytest.mark.slow
def test_a_run_longer_than_its_walltime_goes_on_in_the_next_attempt(slurm, clone):
    add_resources(clone, "runtime: 1, mem_mb: 1000")
    run = longer(clone, 4000)
    # The profile's attempts (tests/plan/test_cost.py) are for days: of a minute a busy machine needs about as many.
    said = finish(submit(clone, "--retries", "20", f"results/runs/{run}/scores.json"), clone, 3000)
    states = [job["JobState"] for job in jobs_of(said, "train")]
    assert states[-1] == "COMPLETED" and "TIMEOUT" in states[:-1]
    assert min(reported(clone, run)) > 400  # each 400th is reported


@pytest.mark.slow
def test_the_smoke_scale_reaches_the_report(slurm, clone):
    finish(submit(clone, "reproduce_all"), clone, 3000)
    check = [sys.executable, str(ROOT / ".ci" / "check_outputs.py")]
    checked = subprocess.run(check, cwd=clone, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stderr
    assert {job["JobState"] for job in jobs()} <= {"COMPLETED", "TIMEOUT", "PREEMPTED"}
