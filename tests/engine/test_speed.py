"""The protocol on a made-up machine, whose clock only moves when it is told to, and once on this one."""

import json

import pytest
import torch
from tests.helpers import changed

from triplehead.detectors.build import build_detector
from triplehead.engine import checkpoint
from triplehead.engine.speed import interleaved, measure_speed, write_speed
from triplehead.errors import InputError
from triplehead.plan.options import FasterRCNN, SecondStage
from triplehead.plan.runs import RunSpec
from triplehead.plan.speed import Speed, read_speed


class Machine:
    """Calls are queued and cost no time until the device is waited for, as on a GPU."""

    def __init__(self, cost: dict[str, float], warmup: int, images: int, slower: float = 1.0):
        self.cost, self.warmup, self.images, self.slower = cost, warmup, images, slower
        self.now, self.queued, self.log = 0.0, 0.0, []

    def call(self, name: str):
        def run(image: torch.Tensor) -> None:
            done = sum(entry[0] == name for entry in self.log)
            repeat, place = divmod(done, self.warmup + self.images)
            self.queued += 1000.0 if place < self.warmup else self.cost[name] * self.slower**repeat
            self.log.append((name, int(image)))

        return run

    def synchronize(self) -> None:
        self.now += self.queued
        self.queued = 0.0


def protocol(cost, repeats, warmup, images, slower=1.0):
    machine = Machine(cost, warmup, images, slower)
    calls = {name: machine.call(name) for name in cost}
    inputs = [torch.tensor(number) for number in range(images)]
    seconds = interleaved(calls, inputs, repeats, warmup, lambda: machine.now, machine.synchronize)
    return machine, seconds


def test_warmup_is_not_counted_and_the_device_is_waited_for():
    _, seconds = protocol({"A": 1.0, "B": 2.0}, repeats=3, warmup=2, images=4)
    assert seconds == {"A": [[1.0] * 4] * 3, "B": [[2.0] * 4] * 3}


def test_models_take_turns_on_the_same_images():
    machine, _ = protocol({"A": 1.0, "B": 1.0, "C": 1.0}, repeats=2, warmup=1, images=2)
    one_pass = [0, 0, 1]  # the uncounted call sees the first image
    assert machine.log == [(name, image) for name in "ABCABC" for image in one_pass]


def test_more_warmup_than_images_goes_round():
    machine, seconds = protocol({"A": 1.0}, repeats=1, warmup=5, images=2)
    assert [image for _, image in machine.log] == [0, 1, 0, 1, 0, 0, 1]
    assert seconds == {"A": [[1.0, 1.0]]}


def test_drift_from_repeat_to_repeat_meets_all_alike():
    _, seconds = protocol({"A": 1.0, "B": 4.0}, repeats=3, warmup=1, images=2, slower=2.0)
    assert seconds == {"A": [[1.0] * 2, [2.0] * 2, [4.0] * 2], "B": [[4.0] * 2, [8.0] * 2, [16.0] * 2]}


@pytest.fixture(scope="module")
def specs(small_spec):
    head = {"name": "fcos", "quality": "centerness", "num_convs": 2, "norm": "batch", "box_unit": "stride"}
    fcos = changed(small_spec, detector={"head": head})
    second = SecondStage(hidden=16, proposals=20)
    two_stage = FasterRCNN(architecture="faster_rcnn", backbone=small_spec.detector.backbone, second_stage=second)
    values = json.loads(small_spec.model_dump_json()) | {"detector": json.loads(two_stage.model_dump_json())}
    return {"FCOS": fcos, "Two": RunSpec.model_validate_json(json.dumps(values)), "Ours": small_spec}


@pytest.fixture(scope="module")
def runs(specs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for spec in specs.values():
        checkpoint.save(folder / spec.id / "model.pt", spec.id, model=build_detector(spec).state_dict())
    return folder


def test_a_real_measurement_is_recorded_whole(specs, runs, small_data, tmp_path):
    before = torch.get_num_threads()
    record = measure_speed(specs, Speed(images=1000, repeats=5, warmup=1, threads=64), small_data, runs, cores=1)
    torch.set_num_threads(before)
    write_speed(record, tmp_path / "speed" / "table3.json")
    assert read_speed(tmp_path / "speed" / "table3.json") == record
    assert [(row.label, row.run) for row in record.rows] == [(label, spec.id) for label, spec in specs.items()]
    assert record.protocol == Speed(images=12, repeats=5, warmup=1, threads=1)  # all that there are
    assert record.image_sizes == ((96, 96),)
    assert record.scale == "smoke" and record.precision == "float32" and record.environment["torch"]


def test_too_little_memory_is_one_line(specs, runs, small_data, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("triplehead.engine.speed.timed", full)
    with pytest.raises(InputError, match=r"^speed: one image does not fit into the memory of cpu; .*short_side"):
        measure_speed({"FCOS": specs["FCOS"]}, Speed(images=1, repeats=5, warmup=1), small_data, runs, cores=1)


def test_weights_that_are_missing_or_of_another_run_are_named(specs, runs, small_data, tmp_path):
    options = Speed(images=1, repeats=5, warmup=1)
    with pytest.raises(InputError, match=r"model\.pt: cannot be read"):
        measure_speed(specs, options, small_data, tmp_path, cores=1)
    other = changed(specs["FCOS"], seed=7)
    (tmp_path / other.id).mkdir()
    (tmp_path / other.id / "model.pt").write_bytes((runs / specs["FCOS"].id / "model.pt").read_bytes())
    with pytest.raises(InputError, match=r"belongs to .*, expected"):
        measure_speed({"FCOS": other}, options, small_data, tmp_path, cores=1)
