"""Calibration and the GPU's figures: the whole path on the CPU, tiny."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from triplehead.detectors.dense import DenseDetector
from triplehead.engine import runtime
from triplehead.engine.bench import bench, write_bench
from triplehead.engine.calibrate import calibrate
from triplehead.engine.evaluate import evaluate
from triplehead.engine.footprint import PER_DETECTION, SMALL_FILES, footprint
from triplehead.engine.probe import OBJECTS, Probe
from triplehead.errors import InputError
from triplehead.plan.calibration import kind_of, read_calibration
from triplehead.plan.cost import estimate
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Resampling

FULL = (
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"),
)


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_step_trains_nothing_and_is_the_same_work_each_time(small_spec):
    probe = Probe(small_spec, runtime.start(small_spec, "cpu"), batch_size=2)
    before = {name: value.clone() for name, value in probe.detector.named_parameters()}
    probe.step()
    gradients = [value.grad for value in probe.detector.parameters() if value.grad is not None]
    assert any(gradient.abs().sum() > 0 for gradient in gradients)
    assert all(torch.equal(value, before[name]) for name, value in probe.detector.named_parameters())


def test_images_are_as_large_as_the_input_allows_and_boxes_lie_in_them(small_spec):
    probe = Probe(small_spec, runtime.start(small_spec, "cpu"), batch_size=3)
    assert [tuple(image.shape) for image in probe.images] == [(3, 96, 96)] * 3
    boxes = torch.stack([target["boxes"] for target in probe.targets])
    assert boxes.shape == (3, OBJECTS, 4) and boxes.min() >= 0 and boxes.max() <= 96
    assert ((boxes[..., 2:] - boxes[..., :2]) >= 15.9).all()
    assert not torch.equal(probe.images[0], probe.images[1])


def test_another_number_of_boxes_leaves_the_images(small_spec):
    probe = Probe(small_spec, runtime.start(small_spec, "cpu"), batch_size=2)
    before, targets = probe.images, probe.targets
    probe.put(30)
    assert all(map(torch.equal, probe.images, before))
    assert [len(target["boxes"]) for target in probe.targets] == [30, 30]
    probe.put(OBJECTS)
    assert all(torch.equal(one["boxes"], other["boxes"]) for one, other in zip(probe.targets, targets, strict=True))


def test_the_assignment_that_is_timed_is_the_steps(small_spec):
    probe = Probe(small_spec, runtime.start(small_spec, "cpu"), batch_size=2)
    matched_gt = probe.assignment(0.0)()
    assert len(matched_gt) == 2 and (matched_gt >= 0).any() and matched_gt.max() < OBJECTS


@pytest.fixture(scope="module")
def few():
    """Two rows of Table 5 and what they need."""
    plan = load_plan({"scale": "smoke"})
    ids = [plan.specs["table5", label][0].id for label in ("FCOS", "All")]
    return replace(plan, runs={run_id: plan.runs[run_id] for run_id in ids})


def test_a_calibration_is_kept_added_to_and_used(few, tmp_path, capsys):
    file = tmp_path / "calibration.json"
    first = replace(few, runs=dict(list(few.runs.items())[:1]))
    calibrate(first, file, batch_size=1, repeats=2, warmup=1)
    assert list(read_calibration(file).kinds) == [kind_of(run.spec) for run in first.runs.values()]
    found = calibrate(few, file, batch_size=2, repeats=2, warmup=1)
    assert found == read_calibration(file) and found.device == "cpu"
    assert {step.batch_size for step in found.kinds.values()} == {2}
    assert set(found.kinds) == {kind_of(run.spec) for run in few.runs.values()}
    cost = estimate(few, found)
    for run_id, run in few.runs.items():
        steps = 30 * 4 / 2 * found.kinds[kind_of(run.spec)].step
        assert cost.runs[run_id] == pytest.approx(steps + few.scale.cost.run)
    assert found.hardware in cost.source
    assert "2/2  triple-jla tiny" in capsys.readouterr().err


def test_turns_are_calibrated_as_they_train(tmp_path, monkeypatch):
    """In turns, each image twice: the first pass counts."""
    plan = load_plan({"scale": "smoke", "micro_batch": 2})
    run = plan.specs["table5", "FCOS"][0]
    plan = replace(plan, runs={run.id: plan.runs[run.id]})
    seen, forward = [], DenseDetector.predict

    def predict(self, images, *rest):
        seen.append(len(images))
        return forward(self, images, *rest)

    monkeypatch.setattr(DenseDetector, "predict", predict)
    found = calibrate(plan, tmp_path / "calibration.json", repeats=1, warmup=0)
    assert seen.count(2) == 4
    assert list(found.kinds) == [f"{kind_of(run)}, 2 at once"] and not estimate(plan, found).unknown
    with pytest.raises(InputError, match="--batch-size: found 2, expected more than the micro_batch of 2"):
        calibrate(plan, tmp_path / "calibration.json", batch_size=2)


def test_a_calibration_of_other_hardware_is_dropped(few, tmp_path):
    file = tmp_path / "calibration.json"
    first = replace(few, runs=dict(list(few.runs.items())[:1]))
    other = calibrate(first, file, batch_size=1, repeats=1, warmup=1)
    assert calibrate(first, tmp_path / "usual.json", batch_size=1).repeats == 10  # as help and documents say
    kinds = {"another kind": next(iter(other.kinds.values()))}
    file.write_text(other.model_copy(update={"hardware": "Another", "kinds": kinds}).model_dump_json())
    assert list(calibrate(first, file, batch_size=1, repeats=1, warmup=1).kinds) == list(other.kinds)


@pytest.mark.parametrize("error", FULL, ids=("gpu", "cpu"))
def test_a_batch_that_does_not_fit_is_named(error, few, tmp_path, monkeypatch):
    def full(*_):
        raise error

    monkeypatch.setattr("triplehead.engine.calibrate._measure", full)
    with pytest.raises(InputError, match=r"^--batch-size: 4 images at once do not fit .*; --batch-size=2 is the next"):
        calibrate(few, tmp_path / "calibration.json")
    assert not list(tmp_path.iterdir())


def test_disk_is_what_a_run_takes(small_spec, small_data, trained, tmp_path):
    """The counted weights are those of the file; the rest is a bound."""
    run = shutil.copytree(trained, tmp_path / "run")
    evaluate(small_spec, small_data, run, resampling=Resampling())
    counted = footprint(small_spec)
    files = {file.name: file.stat().st_size for file in run.iterdir()}
    found = small_spec.data.val * 100 * PER_DETECTION + SMALL_FILES
    assert counted.run - found == pytest.approx(files["model.pt"], rel=0.01)
    assert {"matches.npz", "replicates.npz", "detections.json.gz"} < files.keys()
    assert sum(files.values()) < counted.run


def test_bench_measures_each_detector_in_each_precision(tmp_path):
    plan = load_plan({"scale": "smoke"})
    specs = {label: found[0] for (exhibit, label), found in plan.specs.items() if exhibit == "table3"}
    record = bench(specs, "cpu", batch_size=1, repeats=2, warmup=1)
    rows = record["rows"]
    labels = [(row["label"], row["precision"]) for row in rows]
    assert labels == [(name, bits) for name in specs for bits in ("32-true", "bf16-mixed")]
    for row in rows:
        assert row["step_seconds"]["median"] > 0 and row["FPS"] > 0 and row["FPS_model"] > 0
        assert row["batch_size"] == 1 and row["step_memory"] is None
    assert [row.get("assigner") for row in rows[::2]] == ["fcos", None, "jla"]
    shares = [share for row in rows if "assign_share" in row for share in row["assign_share"].values()]
    crowds = [row["crowd"] for row in rows if "crowd" in row]
    shares += [share for crowd in crowds for share in crowd["assign_share"].values()]
    assert len(shares) == 16 and all(0 < share < 1 for share in shares)
    assert {crowd["objects"] for crowd in crowds} == {300}
    path = write_bench(record, tmp_path)
    assert json.loads(path.read_text()) == record
    assert path.name.startswith(record["hardware"].lower().split()[0])


@pytest.mark.parametrize("error", FULL, ids=("gpu", "cpu"))
def test_what_does_not_fit_is_recorded_and_the_rest_goes_on(error, monkeypatch, capsys):
    spec = load_plan({"scale": "smoke"}).specs["table5", "FCOS"][0]
    real = Probe.step

    def step(self, _=None):
        if self.fabric._precision.precision == "32-true":
            raise error
        real(self)

    monkeypatch.setattr(Probe, "step", step)
    full, half = bench({"FCOS": spec}, "cpu", batch_size=2, repeats=1, warmup=1)["rows"]
    said = {"label": "FCOS", "precision": "32-true", "batch_size": 2, "out_of_memory": True, "next_batch_size": 1}
    assert full == said and "--batch-size=1 is the next to fit" in capsys.readouterr().err
    assert half["FPS"] > 0


def test_a_crowd_that_does_not_fit_leaves_the_rest(monkeypatch, capsys):
    spec = load_plan({"scale": "smoke"}).specs["table5", "FCOS"][0]
    real = Probe.step

    def step(self, _=None):
        if len(self.targets[0]["boxes"]) > OBJECTS:
            raise FULL[0]
        real(self)

    monkeypatch.setattr(Probe, "step", step)
    (row,) = bench({"FCOS": spec}, "cpu", batch_size=2, repeats=1, warmup=1, precisions=("32-true",))["rows"]
    assert row["crowd"] == {"objects": 300, "out_of_memory": True, "next_batch_size": 1}
    assert row["step_seconds"]["median"] > 0 and row["FPS"] > 0 and "out_of_memory" not in row
    assert "with 300 boxes each --batch-size: 2 images at once do not fit" in capsys.readouterr().err


def test_steps_of_another_engine_are_not_ours(few, tmp_path):
    runs = {run_id: replace(run, spec=run.spec.with_engine("detectron2")) for run_id, run in few.runs.items()}
    with pytest.raises(InputError, match="--calibrate: times this suite's own engine"):
        calibrate(replace(few, runs=runs), tmp_path / "calibration.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_line():
    with pytest.raises(InputError, match=r"^bench: no GPU can be seen by torch"):
        bench({}, "gpu")
    with pytest.raises(InputError, match=r"--calibrate: scale paper is for a GPU and torch sees none"):
        calibrate(load_plan({"scale": "paper"}))
