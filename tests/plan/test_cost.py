"""What a plan costs: by whose measurement, and when the last run ends."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from triplehead.errors import InputError
from triplehead.plan.calibration import Calibration, kind_in, kind_of, read_calibration
from triplehead.plan.cost import (
    Estimate,
    Footprint,
    amount,
    disk_bytes,
    estimate,
    list_schedule,
    summary,
    timed_seconds,
)
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Cost, Step

KIND = "fcos-fcos tiny 64x64 5 classes 32-true"
STEP = {"batch_size": 1, "step": 1.0, "image": 1.0}


def measured(plan, *labels: str, step: float = 2.0, batch_size: int = 16) -> Calibration:
    """Made-up times of the kinds behind some rows of Table 5."""
    specs = [plan.specs["table5", label][0] for label in labels]
    kinds = {kind_of(spec): Step(batch_size=batch_size, step=step, image=0.1, memory=None) for spec in specs}
    return Calibration(device="gpu", hardware="A made-up GPU", threads=1, repeats=10, environment={}, kinds=kinds)


def test_list_scheduling_is_not_division():
    assert list_schedule([3, 3, 3], 2) == 6
    assert list_schedule([1, 1, 4], 2) == 5  # in the plan's order: the long one comes last
    assert list_schedule([4, 1, 1], 2) == 4
    assert list_schedule([5], 8) == 5
    assert list_schedule([], 3) == 0


def test_by_the_scale_where_nothing_was_calibrated():
    one, two = (estimate(load_plan({"seeds": seeds})) for seeds in (1, 2))
    assert 0 < one.total < two.total and not one.unknown
    assert one.device == "cpu" and "EPYC" in one.source
    assert summary(one, 1, "1 cores", "`x`")[0].startswith(amount(one.total, "CPU-"))


def test_calibrated_seconds_are_steps_and_detections():
    plan = load_plan({"scale": "paper"})
    spec = plan.specs["table5", "FCOS"][0]
    step, smaller = (measured(plan, "FCOS", batch_size=size).kinds[kind_of(spec)] for size in (16, 4))
    assert timed_seconds(spec, step) == 90_000 * 2.0 + 5000 * 0.1
    assert timed_seconds(spec, smaller) == 90_000 * 8.0 + 5000 * 0.1
    assert timed_seconds(spec, step, around=60) == 90_000 * 2.0 + 60
    assert timed_seconds(spec, None) is None


def test_runs_of_kinds_that_were_not_measured_are_left_out_and_named():
    plan = load_plan({"scale": "paper"})
    found = estimate(plan, measured(plan, "FCOS"))
    known = [run for run in plan.runs if run not in found.unknown]
    assert plan.specs["table5", "FCOS"][0].id in known and plan.specs["table5", "All"][0].id in found.unknown
    assert found.total == len(known) * (90_000 * 2.0 + 5000 * 0.1)
    lines = summary(found, 1, "1 GPUs", "`x`")
    assert lines[0].startswith(f"for {len(known)} of {len(plan.runs)} runs: {amount(found.total, 'GPU-')}, ")
    assert (
        "A made-up GPU" in lines[1] and f"without {len(found.unknown)} runs" in lines[2] and "`x` does it" in lines[2]
    )


def test_a_calibration_of_another_scale_gives_way_to_the_scales_own():
    paper = load_plan({"scale": "paper"})
    assert estimate(load_plan({"scale": "smoke"}), measured(paper, "FCOS")).device == "cpu"


def test_the_paper_scale_costs_what_an_h200_took():
    plan = load_plan({"scale": "paper"})
    cost, found = plan.scale.cost, estimate(plan)
    measured = read_calibration(Path("benchmarks/nvidia-h200-calibration-2026-11-27.json"))
    assert measured.hardware in cost.machine and found.device == measured.device == "gpu"
    assert {kind: (step.batch_size, step.step, step.image) for kind, step in cost.kinds.items()} == {
        kind: (step.batch_size, pytest.approx(step.step, rel=1e-3), pytest.approx(step.image, rel=1e-3))
        for kind, step in measured.kinds.items()
    }
    assert not found.unknown and not estimate(plan.only_variants()).unknown
    spec = plan.specs["table9", "Ours, ResNet101"][0]
    step = cost.kinds["triple-jla resnet101 800x1333 80 classes 32-true"]
    assert found.runs[spec.id] == pytest.approx(180_000 * step.step + 5000 * step.image)
    on_a_cpu = estimate(load_plan({"scale": "paper", "accelerator": "cpu"}))
    assert on_a_cpu.device == "cpu" and on_a_cpu.source == "not measured"


@pytest.mark.parametrize(
    "cost",
    [{"image": {"fcos": 1.0}}, {"run": 5.0}, {}, {"image": {"fcos": 1.0}, "run": 5.0, "kinds": {KIND: STEP}}],
    ids=("no run", "no image", "nothing", "both"),
)
def test_a_cost_is_fitted_or_timed(cost):
    with pytest.raises(ValidationError, match="expected either kinds, or image"):
        Cost(machine="this one", **cost)


def test_a_kind_that_is_none_is_named(experiments):
    file = experiments / "scales" / "paper.yaml"
    file.write_text(
        file.read_text().replace("    faster_rcnn resnet50 800x1333 80 classes", "    faster_rcnn resnet50 800x1333 80")
    )
    with pytest.raises(InputError) as error:
        load_plan({"scale": "paper"}, experiments)
    assert (
        "scales/paper.yaml: cost.kinds.faster_rcnn resnet50 800x1333 80 32-true: expected a kind of run, like"
        in str(error.value)
    )


def test_the_devices_of_a_gpus_cost_shorten_the_wall():
    one, eight = (estimate(load_plan({"scale": "paper", "devices": devices})) for devices in (1, 8))
    assert one.total == eight.total and one.wall(1) == pytest.approx(one.total)
    detections = sum(one.around.values())
    assert eight.wall(1) == pytest.approx(detections + (one.total - detections) / 8) and detections > 0


def test_slurms_attempts_outlast_the_longest_run():
    """By an H200's steps; whoever has a slower GPU has a tenfold reserve."""
    plan = load_plan({"scale": "paper"})
    attempts = 1 + yaml.safe_load(Path("profiles/slurm/config.yaml").read_text())["retries"]
    assert attempts * plan.scale.resources.train.runtime * 60 > 10 * max(estimate(plan).runs.values())


def test_nothing_measured_is_nothing_said():
    found = estimate(load_plan({"scale": "paper", "short_side": 500}).only(["table5"]))
    assert found.source == "not measured" and set(found.runs.values()) == {None} and found.device == "gpu"
    assert summary(found, 8, "8 GPUs", "`x`")[0].startswith("GPU-hours: not measured")


def test_only_steps_are_shared_by_devices():
    seconds, around = {"a": 1000.0, "b": 500.0}, {"a": 200.0}
    found = Estimate("gpu", "steps", seconds, devices=4, around=around)
    assert found.total == 1500 and found.wall(1) == 200 + 800 / 4 + 500 / 4


def test_a_step_in_turns_is_another_kind():
    """It looks at its images twice, which no time of a whole step tells."""
    assert not estimate(load_plan({"scale": "paper", "micro_batch": 2, "devices": 8})).unknown  # one turn each
    plan = load_plan({"scale": "paper", "micro_batch": 4})
    assert set(estimate(plan).unknown) == plan.runs.keys()
    spec = plan.specs["table5", "FCOS"][0]
    assert kind_in(spec, plan.scale) == f"{kind_of(spec)}, 4 at once"


def test_another_network_or_engine_is_another_kind():
    usual = load_plan({"scale": "paper"}).specs["table5", "FCOS"][0]
    other = load_plan({"scale": "paper", "weights": "torchvision"}).specs["table5", "FCOS"][0]
    assert kind_of(usual) == "fcos-fcos resnet50 800x1333 80 classes 32-true"
    assert kind_of(other) == "fcos-fcos resnet50-v1.5 800x1333 80 classes 32-true"
    assert kind_of(usual.with_engine("detectron2")) == f"detectron2 {kind_of(usual)}"
    found = estimate(load_plan({"scale": "paper", "weights": "torchvision"}))
    assert set(found.runs.values()) == {None}


@pytest.mark.parametrize("step", ["1.0e+308", "0", ".inf", "-1"])
def test_a_step_takes_a_time(experiments, step):
    file = experiments / "scales" / "paper.yaml"
    file.write_text(re.sub(r"step: [0-9.]+", f"step: {step}", file.read_text(), count=1))
    with pytest.raises(InputError, match=r"paper\.yaml: cost\.kinds.*step: "):
        load_plan({"scale": "paper"}, experiments)


def test_seeds_and_settings_that_cost_nothing_share_a_kind():
    plan = load_plan({"scale": "paper"})
    jla = {kind_of(spec) for (exhibit, _), specs in plan.specs.items() if exhibit == "table1" for spec in specs}
    assert jla == {"fcos-jla resnet50 800x1333 80 classes 32-true"}
    kinds = {kind_of(run.spec) for run in plan.runs.values()}
    assert {
        "triple-jla resnet101 800x1333 80 classes 32-true",
        "fcos-atss resnet50 600x1000 20 classes 32-true",
    } < kinds


def test_disk_is_all_runs_and_their_last_two_states():
    assert disk_bytes([Footprint(run=10, state=1), Footprint(run=20, state=5)]) == 42


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "1.5 minutes"), (5400, "90 minutes"), (7200, "2.0 hours"), (36e5, "1,000.0 hours")]
)
def test_amounts(seconds, text):
    assert amount(seconds) == text


def test_a_damaged_calibration_is_named(tmp_path):
    assert read_calibration(tmp_path / "calibration.json") is None
    good = measured(load_plan({"scale": "paper"}), "FCOS")
    file = tmp_path / "calibration.json"
    file.write_text(good.model_dump_json())
    assert read_calibration(file) == good
    document = json.loads(good.model_dump_json())
    document["kinds"][next(iter(document["kinds"]))]["step"] = -1
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"calibration\.json: kinds.*step: input should be greater than 0"):
        read_calibration(file)


def test_gpus_and_cores_of_a_job():
    paper, smoke = load_plan({"scale": "paper"}).scale, load_plan({"scale": "smoke"}).scale
    assert [paper.gpus_of(job) for job in ("data", "train", "speed", "other")] == [0, 1, 1, 0]
    assert [smoke.gpus_of(job) for job in ("train", "speed")] == [0, 0]
    assert paper.cpus_of("train") == paper.threads + paper.num_workers > paper.cpus_of("data")


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ("{train: {runtime: 0}}", "resources.train.runtime: input should be greater than 0, found 0"),
        ("{trian: {runtime: 5}}", "resources.trian: unknown key; did you mean train?"),
        ("{data: {gpu: 1}}", "resources.data.gpu: this job computes on the CPU, expected 0 or nothing"),
    ],
)
def test_resources_are_validated(experiments, resources, message):
    file = experiments / "scales" / "smoke.yaml"
    file.write_text(f"{file.read_text()}resources: {resources}\n")
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        load_plan({"scale": "smoke"}, experiments)


def test_resources_are_no_part_of_a_run(experiments):
    before = list(load_plan({"scale": "smoke"}, experiments).runs)
    file = experiments / "scales" / "smoke.yaml"
    file.write_text(f"{file.read_text()}resources: {{train: {{runtime: 5, mem_mb: 9000, gpu: 2}}}}\n")
    plan = load_plan({"scale": "smoke"}, experiments)
    assert list(plan.runs) == before and plan.scale.gpus_of("train") == 2


def test_devices_that_share_a_run_shorten_it():
    seconds = {str(number): 3600.0 for number in range(16)}
    alone, shared = Estimate("gpu", "steps", seconds), Estimate("gpu", "steps", seconds, devices=8)
    assert alone.total == shared.total
    assert alone.wall(8) == shared.wall(1) == 2 * 3600
    assert any("8 times as fast" in line for line in summary(shared, 1, "8 GPUs", "`x`"))
