"""A training process that is killed outright ends, started again, with the bytes of an undisturbed one."""

import subprocess
import sys
import time

import pytest
from tests.helpers import changed

CODE = """
import sys
from pathlib import Path
from triplehead.engine.train import train
from triplehead.plan.runs import RunSpec
from triplehead.tracking.run import Tracker
data, place = map(Path, sys.argv[1:])
spec = RunSpec.model_validate_json((place / "asked.json").read_text())
train(spec, data, place / "run", place / "scratch", Tracker(None, spec, [], place))
"""


def start(data, place) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CODE, str(data), str(place)], stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_kill_and_start_again(small_spec, small_data, tmp_path):
    spec = changed(small_spec, schedule={"iterations": 60, "checkpoint_every": 6})
    files = {}
    for name in ("undisturbed", "killed"):
        place = tmp_path / name
        place.mkdir()
        (place / "asked.json").write_text(spec.model_dump_json())
        process = start(small_data, place)
        if name == "killed":
            deadline = time.monotonic() + 120
            while not (place / "scratch" / "state.pt").exists():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
            process.kill()
            process.wait()
            assert not (place / "run").exists()
            process = start(small_data, place)
        assert process.wait(timeout=300) == 0
        files[name] = {path.name: path.read_bytes() for path in (place / "run").iterdir()}
    assert files["killed"] == files["undisturbed"]
    assert set(files["killed"]) == {"model.pt", "history.csv", "spec.json", "environment.json", "assignments.json.gz"}
