"""`triplehead plan`: the runs, who uses each, what they cost, and on how many GPUs."""

import json
import re

import pytest
from tests.test_cli import triplehead

from triplehead.plan.plan import load_plan


def test_plan_as_json_holds_every_run_with_its_users_and_cost():
    result = triplehead("plan", "--json", "-c", "scale=proxy", "--cores", "4")
    plan = json.loads(result.stdout)
    assert [run["id"] for run in plan["runs"]] == list(load_plan().runs)
    users = [{(user["exhibit"], user["row"]) for user in run["users"]} for run in plan["runs"]]
    assert sum({("table1", "K = 35"), ("table2", "θ = 0.6"), ("table5", "JLA")} <= each for each in users) == 3
    cost = plan["cost"]
    assert cost["seconds"] == pytest.approx(sum(run["seconds"] for run in plan["runs"]))
    assert cost["device"] == "cpu" and cost["runs_at_once"] == 4 and cost["unknown_runs"] == []
    assert (
        cost["seconds"] / 4 < cost["wall_seconds"] < cost["seconds"] / 4 + max(run["seconds"] for run in plan["runs"])
    )
    assert cost["disk_bytes"] > sum(run["disk_bytes"] for run in plan["runs"]) > 0


def test_plan_as_a_table():
    result = triplehead("plan", "-c", "scale=smoke", "--cores", "4")
    assert result.returncode == 0
    runs = len(load_plan({"scale": "smoke"}).runs)
    assert f"{runs} runs of {runs} specs, 4 at once, at most" in result.stdout
    assert "table5: FCOS" in result.stdout


def test_a_plan_of_some_exhibits_has_their_runs_alone():
    plan = load_plan({"scale": "smoke"})
    wanted = {*plan.run_ids("table6"), *plan.run_ids("fig4")}
    found = json.loads(triplehead("plan", "table6", "fig4", "--scale", "smoke", "--json").stdout)
    assert {run["id"] for run in found["runs"]} == wanted and len(wanted) < len(plan.runs)
    assert found["cost"]["seconds"] == pytest.approx(sum(run["seconds"] for run in found["runs"]))
    whole = json.loads(triplehead("plan", "--scale", "smoke", "--json").stdout)
    assert found["cost"]["disk_bytes"] < whole["cost"]["disk_bytes"]
    said = triplehead("plan", "table6", "--scale", "smoke").stdout
    assert f"{len(plan.run_ids('table6'))} runs of " in said and "silence" not in said
    assert triplehead("plan", "table4").stdout.endswith("No runs: parameters are counted without any.\n")
    counted = json.loads(triplehead("plan", "table4", "--json").stdout)
    assert (counted["runs"], counted["cost"]["seconds"], counted["cost"]["disk_bytes"]) == ([], 0, 0)


def test_a_plan_says_what_the_open_choices_would_add():
    extra = load_plan({"scale": "smoke"}).extra_runs
    said = triplehead("plan", "-c", "scale=smoke").stdout
    assert f"`snakemake silence --config scale=smoke` adds {len(extra)} runs (--silence): " in said
    own = json.loads(triplehead("plan", "--silence", "--json", "-c", "scale=smoke").stdout)
    assert [run["id"] for run in own["runs"]] == list(extra)
    assert own["silence"] == {"runs": len(extra), "seconds": pytest.approx(own["cost"]["seconds"]), "unknown_runs": []}
    listed = triplehead("plan", "--silence", "-c", "scale=smoke").stdout
    assert "silence: fallback = background" in listed and "table5" not in listed and "adds" not in listed


def test_a_plan_that_nobody_measured_says_so():
    other = ("plan", "table5", "--scale", "paper", "-c", "short_side=500")
    result = triplehead(*other, "--gpus", "8")
    assert "GPU-hours: not measured" in result.stdout and "8 at once" in result.stdout
    cost = json.loads(triplehead(*other, "--json").stdout)["cost"]
    assert cost["seconds"] is None and cost["wall_seconds"] is None and cost["disk_bytes"] > 4e9


def test_the_paper_scales_plan_has_gpu_hours_by_a_named_gpu():
    said = triplehead("plan", "--scale", "paper", "--gpus", "8").stdout
    assert "NVIDIA H200, 2026-11-27, noise with 7 boxes an image; start, reading and scoring not counted" in said
    assert re.search(r"^[\d.]+ GPU-hours, [\d.]+ hours on 8 GPUs$", said, re.M)
    assert "at most 29.5 GB on disk without the data" in said
    assert re.search(r"^[\d.]+ GPU-hours, [\d.]+ hours on 1 GPU$", triplehead("plan", "--scale", "paper").stdout, re.M)
    found = json.loads(triplehead("plan", "--scale", "paper", "--json").stdout)
    assert found["cost"]["unknown_runs"] == [] and len(found["runs"]) == 41


def test_a_plan_of_other_sizes_says_which_runs_were_not_measured():
    other = ("plan", "--scale", "paper", "-c", "short_side=500")
    cost = json.loads(triplehead(*other, "--json").stdout)["cost"]
    said, unknown = triplehead(*other).stdout, len(cost["unknown_runs"])
    assert 0 < unknown < 41 and cost["seconds"] > 0
    assert re.search(rf"^for {41 - unknown} of 41 runs: [\d.]+ GPU-hours, ", said, re.M)
    assert f"without {unknown} runs that were not measured" in said


def test_as_many_gpus_as_a_run_asks_for():
    eight = ("plan", "table5", "--scale", "paper", "-c", "devices=8")
    whole, first = (triplehead(*eight, *gpus).stdout.splitlines()[-4:] for gpus in (("--gpus", "8"), ()))
    assert whole == first and first[1].endswith("hours on 8 GPUs") and "1 at once" in first[0]
    result = triplehead(*eight, "--gpus", "4")
    assert result.returncode == 2
    assert result.stderr == "error: --gpus: found 4, expected at least 8, which each run asks for\n"
    shared = triplehead("plan", "table5", "--scale", "paper", "-c", "accelerator=gpu", "-c", "runs_per_gpu=4").stdout
    assert "4 at once" in shared and "hours on 1 GPU\n" in shared


def test_a_machine_may_have_any_name(experiments):
    file = experiments / "scales" / "paper.yaml"
    file.write_text(file.read_text().replace("machine: NVIDIA H200, 2026", "machine: '[sxm5] [/sxm5] 2026'  #"))
    result = triplehead("plan", "table5", "--scale", "paper", cwd=experiments.parent)
    assert "timed on [sxm5] [/sxm5] 2026;" in result.stdout, result.stderr
