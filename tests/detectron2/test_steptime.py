"""Step times side by side."""

import pytest
import torch
from typer.testing import CliRunner

from triplehead.cli.app import commands
from triplehead.detectron2 import steptime
from triplehead.detectron2.weights import to_ours


@pytest.fixture
def batch():
    return steptime.batch_of([torch.zeros(3, 64, 96, dtype=torch.uint8)], torch.tensor([[8.0, 8.0, 60.0, 50.0]]))


def test_ratios_are_turn_by_turn(batch, monkeypatch):
    """CPU seconds of the steps as given: detectron2's, ours, ours in channels_last; the first turn does not count."""
    given = iter([9.0, 9.0, 9.0, 1.0, 2.0, 0.5, 2.0, 2.0, 1.0, 4.0, 12.0, 2.0])
    monkeypatch.setattr(steptime, "_models", lambda kind: (None, None, None))
    monkeypatch.setattr(steptime, "_step", lambda model, batch: next(given))
    found = steptime.step_times("fcos", batch, repeats=3)
    assert found["detectron2"] == steptime.StepTime(2.0, (1.0, 1.0, 1.0))
    assert found["ours"] == steptime.StepTime(2.0, (1.5, 2.0, 2.5))
    assert found["channels_last"] == steptime.StepTime(1.0, (0.5, 0.5, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(steptime.BUILD))
def test_the_models_have_the_same_weights_and_all_are_timed(kind, batch):
    theirs, *both = steptime._models(kind)
    expected = to_ours(theirs.state_dict(), both[0].detector)
    for model in both:
        assert all(torch.equal(value, expected[name]) for name, value in model.detector.state_dict().items())
    assert all(steptime._step(model, batch) > 0 for model in (theirs, *both))
    convolution = next(p for p in both[1].parameters() if p.ndim == 4 and p.shape[2] == 3)
    assert convolution.is_contiguous(memory_format=torch.channels_last) and not convolution.is_contiguous()


def test_too_few_photographs_are_one_line(tmp_path):
    result = CliRunner().invoke(commands(), ["detectron2", "steptime", str(tmp_path)])
    assert result.exit_code and "holds 0 photographs (*.jpg), expected 2" in str(result.exception)


@pytest.mark.slow
def test_command(real_data):
    command = ["detectron2", "steptime", str(real_data / "coco" / "val2017"), "--images", "1", "--repeats", "1"]
    result = CliRunner().invoke(commands(), [*command, "--short", "64"])
    lines = result.output.splitlines()
    assert [line.partition(":")[0] for line in lines if " at 64" in line] == [
        f"{kind} at 64, {name}" for kind in ("fcos", "retinanet") for name in steptime.NAMES
    ]
    assert sum("1.00 (1.00 to 1.00)" in line for line in lines) >= 2  # detectron2's to itself
