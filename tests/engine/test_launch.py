"""Several processes train one run: the same result as one, and they live and die together."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from tests.engine.test_batch import paper_spec
from tests.helpers import changed

from triplehead.engine import checkpoint
from triplehead.engine.launch import launched
from triplehead.engine.train import train
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.tracking.run import Tracker

TRAIN = """
import sys
from pathlib import Path
from triplehead.engine.launch import launched
from triplehead.engine.train import train
from triplehead.plan.runs import RunSpec
from triplehead.tracking.run import Tracker
data, place, stop_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) or None
spec = RunSpec.model_validate_json((place / "asked.json").read_text())
with launched(2, [sys.executable, "-c", {code!r}, *sys.argv[1:]]):
    train(spec, data, place / "run", place / "scratch", Tracker(None, spec, [], place), stop_at=stop_at, devices=2,
          micro_batch={micro_batch})
"""


def train_with_two(spec, data, place, stop_at=0, micro_batch=None) -> subprocess.CompletedProcess:
    code = TRAIN.replace("{micro_batch}", str(micro_batch))
    # Both processes run the same text: the second one finds LOCAL_RANK and starts no third.
    code = code.replace("{code!r}", "__import__('os').environ['CODE']")
    place.mkdir(exist_ok=True)
    (place / "asked.json").write_text(spec.model_dump_json())
    command = [sys.executable, "-c", code, str(data), str(place), str(stop_at)]
    return subprocess.run(command, env=os.environ | {"CODE": code}, capture_output=True, text=True, timeout=400)


def losses(place) -> list[dict[str, float]]:
    with open(place / "run" / "history.csv") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize(("exhibit", "row"), [("table5", "FCOS"), ("table5", "JLA"), ("table5", "All")])
def test_two_processes_train_like_one(small_spec, small_data, tmp_path, exhibit, row):
    """Same losses, and the same weights up to rounding, of parts of 3 and 2 images, also in two turns on each device."""
    spec = paper_spec(small_spec, exhibit, row)
    schedule = {
        "iterations": 3,
        "batch_size": 5,
        "steps": [],
        "warmup_iterations": 0,
        "lr": 1e-4,
        "checkpoint_every": 1,
    }
    spec = changed(spec, schedule=schedule)
    train(spec, small_data, tmp_path / "run", tmp_path / "scratch", Tracker(None, spec, [], tmp_path))
    expected = checkpoint.load(tmp_path / "run" / "model.pt", spec.id)["model"]
    for micro_batch in (None, 2):
        place = tmp_path / f"two-{micro_batch}"
        result = train_with_two(spec, small_data, place, micro_batch=micro_batch)
        assert result.returncode == 0, result.stderr
        for ours, theirs in zip(losses(place), losses(tmp_path), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-5)
        assert losses(place)[0] == pytest.approx(losses(tmp_path)[0], rel=2e-6)
        found = checkpoint.load(place / "run" / "model.pt", spec.id)["model"]
        for name, value in expected.items():
            assert (found[name] - value).abs().max() <= 6e-5 * value.abs().max() + 1e-6, name


LISTEN = """
import sys, psutil
from triplehead.engine import runtime
from triplehead.engine.launch import launched
from triplehead.plan.plan import load_plan
with launched(2, [sys.executable, *sys.orig_argv[1:]]):
    fabric = runtime.start(next(iter(load_plan({"scale": "smoke"}).runs.values())).spec, "cpu", devices=2)
    assert fabric.all_reduce(1.0 + fabric.global_rank, reduce_op="sum") == 3
    found = [each.laddr.ip for each in psutil.Process().net_connections() if each.status == psutil.CONN_LISTEN]
    sys.stdout.write("".join(f"{each}\\n" for each in found))  # at once: two processes write
    sys.stdout.flush()
    fabric.barrier()
"""


def test_processes_meet_on_loopback_alone():
    done = subprocess.run([sys.executable, "-c", LISTEN], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"127.0.0.1"}


@pytest.mark.slow
def test_a_run_of_two_processes_resumes_exactly(small_spec, small_data, tmp_path):
    spec = changed(small_spec, schedule={"iterations": 6, "checkpoint_every": 3})
    files = {}
    for name, stops in (("whole", [0]), ("parts", [4, 0])):
        for stop_at in stops:
            result = train_with_two(spec, small_data, tmp_path / name, stop_at)
            assert result.returncode == 0, result.stderr
        files[name] = {path.name: path.read_bytes() for path in (tmp_path / name / "run").iterdir()}
    assert files["whole"] == files["parts"]
    assert set(files["whole"]) == {"model.pt", "history.csv", "spec.json", "environment.json", "assignments.json.gz"}


@pytest.mark.slow
def test_both_processes_batchnorm_sees_its_own_images(small_spec, small_data, tmp_path):
    """What is not exact is said to be so: the embedded scales' BatchNorm goes by the images of a device."""
    spec = changed(small_spec, schedule={"iterations": 1, "checkpoint_every": 1, "warmup_iterations": 0})
    assert train_with_two(spec, small_data, tmp_path / "two").returncode == 0
    train(spec, small_data, tmp_path / "run", tmp_path / "scratch", Tracker(None, spec, [], tmp_path))
    assert losses(tmp_path / "two") != losses(tmp_path)


CHILD = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs inherit as ignored
from triplehead.engine.launch import launched, rank
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
os.makedirs(sys.argv[1], exist_ok=True)
try:
    with launched(3, [sys.executable, *sys.orig_argv[1:]]):
        open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
        {what}
except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
"""


def start(place, what: str) -> subprocess.Popen:
    code = CHILD.replace("{what}", what)
    return subprocess.Popen([sys.executable, "-c", code, str(place)], stderr=subprocess.PIPE, text=True)


def pids_of(place, count: int) -> list[int]:
    deadline = time.monotonic() + 60
    while not place.is_dir() or len(list(place.iterdir())) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [int(path.name) for path in place.iterdir()]


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_when_the_first_process_dies_the_others_do(tmp_path, number):
    process = start(tmp_path / "pids", "time.sleep(300)")
    pids = pids_of(tmp_path / "pids", 3)
    process.send_signal(number)
    assert process.wait(timeout=30) != 0
    assert gone(pids)


def test_what_another_process_says_ends_the_first_in_one_line(tmp_path):
    what = "rank() == 2 and sys.exit('error: some/image.jpg: is truncated') or rank() or time.sleep(1) or 1 / 0"
    process = start(tmp_path / "pids", what)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (2, "error: some/image.jpg: is truncated\n")
    assert gone([int(path.name) for path in (tmp_path / "pids").iterdir()])


def test_a_process_that_hangs_is_ended_when_another_fails(tmp_path):
    what = "rank() == 1 and sys.exit(3) or time.sleep(300)"
    process = start(tmp_path / "pids", what)
    _, stderr = process.communicate(timeout=90)
    assert process.returncode == 1
    assert "error: process 1 of the training: ended with status 3" in stderr
    assert gone([int(path.name) for path in (tmp_path / "pids").iterdir()])


def test_one_process_starts_no_other(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    with launched(1, ["never"]):
        assert "LOCAL_RANK" not in os.environ
    monkeypatch.setenv("LOCAL_RANK", "1")  # as torchrun does
    with launched(4, ["never"]):
        pass


def test_an_error_of_the_first_process_stays_its_own(tmp_path):
    with (
        pytest.raises(InputError, match="here: wrong"),
        launched(2, [sys.executable, "-c", "import time; time.sleep(300)"]),
    ):
        raise InputError("here", "wrong")
    assert "LOCAL_RANK" not in os.environ and torch.distributed.is_initialized() is False


@pytest.mark.slow
@pytest.mark.parametrize("row", ["Faster R-CNN", "BorderDet", "DyHead", "JLA + triple head"])
def test_every_kind_of_detector_trains_on_two_processes(small_spec, small_data, tmp_path, row):
    """DDP waits for ever for the gradient of a parameter that a step does not use."""
    plan = load_plan({"scale": "smoke"})
    spec = next(specs[0] for (_, label), specs in plan.specs.items() if label == row)
    detector = json.loads(spec.detector.model_dump_json())
    detector["backbone"] = small_spec.detector.backbone.model_dump(mode="json")
    schedule = {"iterations": 2, "batch_size": 4, "checkpoint_every": 2, "warmup_iterations": 0}
    spec = spec.model_copy(update={"data": small_spec.data})
    spec = changed(spec, detector=detector, schedule=schedule, input={"short": 96, "long": 96})
    result = train_with_two(spec, small_data, tmp_path / "two", micro_batch=1)
    assert result.returncode == 0, result.stderr
    assert all(math.isfinite(value) for record in losses(tmp_path / "two") for value in record.values())
