"""Training: exact resume, the same bytes for the same spec, and honest refusals."""

import json
import math
from pathlib import Path

import pytest
import torch
from tests.helpers import changed

from triplehead.data.prepare import prepare
from triplehead.detectors.build import build_detector
from triplehead.engine import checkpoint
from triplehead.engine.evaluate import evaluate
from triplehead.engine.train import Diverged, runaway, train
from triplehead.errors import InputError
from triplehead.plan.options import FasterRCNN, RetinaNet
from triplehead.plan.plan import load_plan
from triplehead.tracking.run import Tracker

FILES = ("model.pt", "history.csv", "spec.json", "environment.json", "assignments.json.gz")


def run(spec, data, place, **options):
    train(spec, data, place / "run", place / "scratch", Tracker(None, spec, [], place), **options)
    return {name: (place / "run" / name).read_bytes() for name in FILES if (place / "run" / name).exists()}


@pytest.fixture(scope="module")
def undisturbed(small_spec, small_data, tmp_path_factory):
    return run(small_spec, small_data, tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("place", ["torch.optim.AdamW.step", "triplehead.engine.snapshots.Snapshots.take"])
def test_memory_that_ends_outside_of_the_losses_is_one_line(small_spec, small_data, tmp_path, monkeypatch, place):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(place, full)
    with pytest.raises(InputError, match=r"^micro_batch: \d+ images at once do not fit into the memory of cpu"):
        run(small_spec, small_data, tmp_path)
    assert not (tmp_path / "run" / "model.pt").exists()


def test_a_run_leaves_its_spec_curve_and_environment(small_spec, undisturbed):
    assert set(undisturbed) == set(FILES)
    assert type(small_spec).model_validate_json(undisturbed["spec.json"]) == small_spec
    lines = undisturbed["history.csv"].decode().splitlines()
    assert lines[0] == "iteration,lr,classification,box,coarse_box,quality,loss,positives"
    assert [line.split(",")[0] for line in lines[1:]] == [str(i) for i in range(1, 13)]
    assert "torch" in json.loads(undisturbed["environment.json"])


def test_the_same_spec_gives_the_same_bytes(small_spec, small_data, undisturbed, tmp_path):
    assert run(small_spec, small_data, tmp_path) == undisturbed


def test_training_reads_as_its_schedule_says(small_spec, small_data, tmp_path, monkeypatch):
    """Grouped by aspect, several sizes: square scenes of one size would not show it."""
    seen = {}

    def loader(dataset, transform, batch_size, seed, start, stop, **options):
        seen.update(options, short_range=transform.short_range, batch_size=batch_size, stop=stop)
        raise InputError("seen", "enough")

    monkeypatch.setattr("triplehead.engine.train.train_loader", loader)
    schedule = {"group_by_aspect": True, "short_range": [40, 64], "batch_size": 3, "iterations": 7}
    spec = changed(small_spec, schedule=schedule | {"checkpoint_every": 7, "warmup_iterations": 0, "steps": []})
    with pytest.raises(InputError, match="enough"):
        train(spec, small_data, tmp_path / "run", tmp_path / "scratch", Tracker(None, spec, [], tmp_path))
    assert seen["group_by_aspect"] is True and seen["part"] == (0, 1)
    assert (seen["short_range"], seen["batch_size"], seen["stop"]) == ((40, 64), 3, 7)


def test_another_seed_gives_another_model(small_spec, small_data, undisturbed, tmp_path):
    assert run(changed(small_spec, seed=1), small_data, tmp_path)["model.pt"] != undisturbed["model.pt"]


@pytest.mark.parametrize("killed_at", [[3], [4], [5, 9], [11]])
def test_resume_is_exact_to_the_byte(small_spec, small_data, undisturbed, tmp_path, killed_at):
    for stop in killed_at:
        assert run(small_spec, small_data, tmp_path, stop_at=stop) == {}
    assert run(small_spec, small_data, tmp_path) == undisturbed


def test_resume_in_bfloat16_is_exact_too(small_spec, small_data, tmp_path):
    spec = changed(small_spec, schedule={"precision": "bf16-mixed"})
    whole = run(spec, small_data, tmp_path / "whole")
    run(spec, small_data, tmp_path / "parts", stop_at=6)
    assert run(spec, small_data, tmp_path / "parts") == whole


def test_resume_with_loader_processes_is_exact_too(small_spec, small_data, undisturbed, tmp_path):
    run(small_spec, small_data, tmp_path, stop_at=6, num_workers=2)
    assert run(small_spec, small_data, tmp_path, num_workers=2) == undisturbed


def test_a_finished_run_is_written_again_from_its_last_state(small_spec, small_data, undisturbed, tmp_path):
    run(small_spec, small_data, tmp_path)
    (tmp_path / "run" / "model.pt").unlink()
    assert run(small_spec, small_data, tmp_path) == undisturbed


def test_state_of_another_spec_is_refused(small_spec, small_data, tmp_path):
    run(small_spec, small_data, tmp_path, stop_at=5)
    other = changed(small_spec, seed=3)
    with pytest.raises(InputError, match=rf"state\.pt: belongs to {small_spec.id}, expected {other.id}"):
        run(other, small_data, tmp_path)


@pytest.fixture(scope="module")
def state_bytes(small_spec, small_data, tmp_path_factory):
    place = tmp_path_factory.mktemp("stopped")
    run(small_spec, small_data, place, stop_at=5)
    return (place / "scratch" / "state.pt").read_bytes()


# torch has another error for each: an end without a text, bad seeks, no directory of the archive.
@pytest.mark.parametrize("kept", [0, 1, 5_000, 20_000, 60_000, "half", -1 - checkpoint.SEAL])
def test_truncated_state_is_refused(small_spec, small_data, tmp_path, state_bytes, kept):
    state = tmp_path / "scratch" / "state.pt"
    state.parent.mkdir()
    state.write_bytes(state_bytes[: len(state_bytes) // 2 if kept == "half" else kept])
    with pytest.raises(InputError, match=r"state\.pt: damaged, not the bytes that were written.*delete both") as caught:
        run(small_spec, small_data, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"state\.pt: damaged, or no checkpoint of this suite; delete it"):
        checkpoint.load(state, small_spec.id)


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(tmp_path):
    with pytest.raises(InputError, match=r"none\.pt: cannot be read \(No such file or directory\)"):
        checkpoint.load(tmp_path / "none.pt", "x")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        checkpoint.load(tmp_path, "x")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({}, r"\(Missing key"),
        ({"weight": 1}, r"\(Missing key"),
        ({1: torch.zeros(1)}, "startswith"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(state, reason):
    with pytest.raises(InputError, match=rf"model\.pt: weights do not fit the spec .*{reason}") as caught:
        checkpoint.load_weights(torch.nn.Linear(2, 2), state, Path("model.pt"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (None, "holds no weights"),
        (lambda: torch.nn.Linear(2, 2).half().state_dict(), r"weights do not fit .*float16, expected torch\.float32\)"),
        (lambda: {"weight": torch.full((2, 2), math.nan), "bias": torch.zeros(2)}, r"not finite \(weight\)"),
        (lambda: {"weight": torch.zeros(2, 2), "bias": torch.full((2,), math.inf)}, r"not finite \(bias\)"),
    ],
)
def test_weights_that_no_training_leaves_are_refused(weights, reason):
    with pytest.raises(InputError, match=rf"model\.pt: .*{reason}"):
        checkpoint.load_weights(torch.nn.Linear(2, 2), weights and weights(), Path("model.pt"))


def test_state_from_other_data_is_refused(small_spec, small_data, tmp_path):
    run(small_spec, small_data, tmp_path, stop_at=5)
    state = checkpoint.load(tmp_path / "scratch" / "state.pt", small_spec.id)
    checkpoint.save_state(tmp_path / "scratch" / "state.pt", state.pop("spec"), **(state | {"data": "other"}))
    with pytest.raises(InputError, match="other data"):
        run(small_spec, small_data, tmp_path)


def test_data_with_another_number_of_classes_are_refused(small_spec, small_data, tmp_path):
    with pytest.raises(InputError, match=r"instances_train2017\.json: has 10 categories, expected 80"):
        run(changed(small_spec, num_classes=80), small_data, tmp_path)


def test_a_checkpoint_that_would_execute_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save({"spec": "x", "evil": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match=r"evil\.pt"):
        checkpoint.load(tmp_path / "evil.pt", "x")
    assert not (tmp_path / "executed").exists()


def test_weights_of_another_architecture_are_refused(small_spec, small_data, tmp_path):
    run(small_spec, small_data, tmp_path)
    state = checkpoint.load(tmp_path / "run" / "model.pt", small_spec.id)
    model = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match="weights do not fit"):
        checkpoint.load_weights(model, state["model"], tmp_path / "run" / "model.pt")


def test_a_loss_that_is_no_number_stops_the_run(small_spec, small_data, tmp_path):
    with pytest.raises(Diverged, match=f"{small_spec.scale}.*diverged at iteration"):
        run(changed(small_spec, schedule={"lr": 1e30, "clip_norm": None, "optimizer": "sgd"}), small_data, tmp_path)
    assert not (tmp_path / "run" / "scores.json").exists()


WILD = {"clip_norm": None, "optimizer": "sgd", "warmup_iterations": 0, "weight_decay": 0}


@pytest.mark.parametrize(
    ("rate", "iterations", "what"),
    [
        (1e6, 2, "over 1e\\+06 times the first"),
        (1e6, 1, "over 1e"),
        (1e38, 1, "its loss is"),
        (math.inf, 1, "weights are not"),
    ],
)
def test_a_run_whose_last_step_is_wild_diverges(small_spec, small_data, tmp_path, rate, iterations, what, monkeypatch):
    """No later loss tells of it: the first was sound, the weights are absurd."""
    monkeypatch.setattr("triplehead.engine.train.learning_rate", lambda *_: rate)
    spec = changed(small_spec, schedule=WILD | {"iterations": iterations, "checkpoint_every": 1})
    with pytest.raises(Diverged, match=f"diverged at iteration {iterations}, .*{what}") as caught:
        run(spec, small_data, tmp_path)
    assert not list((tmp_path / "scratch").glob("state.pt*")) or iterations > 1
    assert len(caught.value.facts["before"]) == iterations - 1


def test_a_sound_loss_is_far_from_running_away():
    assert runaway(1e5, 0.0) is runaway(3e6, 4.0) is None
    assert runaway(5e6, 4.0) == "its loss is over 1e+06 times the first"
    assert runaway(math.nan, 4.0) == runaway(math.inf, 4.0) == "its loss is no number"


def test_the_losses_after_the_last_step_change_nothing(small_spec, small_data, undisturbed, tmp_path, monkeypatch):
    """The same bytes without them: they move no running statistics."""
    monkeypatch.setattr("triplehead.engine.train.BatchGradients.losses", lambda *_: {"loss": 0.0})
    assert run(small_spec, small_data, tmp_path) == undisturbed


def test_a_full_disk_is_named(small_spec, small_data, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        checkpoint.save(Path("/proc/state.pt"), "x", value=1)


@pytest.mark.parametrize(("options", "architecture"), [(FasterRCNN, "faster_rcnn"), (RetinaNet, "retinanet")])
def test_torchvisions_detectors_train_and_resume(small_spec, small_data, tmp_path, options, architecture):
    """Faster R-CNN samples proposals at random: what it draws at an iteration must not depend on the past."""
    detector = options(architecture=architecture, backbone=small_spec.detector.backbone)
    spec = small_spec.model_copy(update={"detector": detector})
    whole = run(spec, small_data, tmp_path / "whole")
    run(spec, small_data, tmp_path / "parts", stop_at=5)
    assert run(spec, small_data, tmp_path / "parts") == whole


def test_boxes_stay_float32_under_bf16(small_spec, small_data, tmp_path, monkeypatch):
    """bfloat16 holds 8 bits: a box at 100 pixels would move by up to a quarter of one."""
    seen = []

    def build(spec):
        detector = build_detector(spec)
        detector.register_forward_pre_hook(lambda _, inputs: seen.extend(target["boxes"] for target in inputs[1]))
        return detector

    monkeypatch.setattr("triplehead.engine.train.build_detector", build)
    run(changed(small_spec, schedule={"precision": "bf16-mixed"}), small_data, tmp_path, stop_at=2)
    assert len(seen) == 4 and {boxes.dtype for boxes in seen} == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exhibit", "row", "scores_of"),
    [
        ("table5", "FCOS", {"AP", "APS", "AR100"}),
        ("table5", "All", {"AP", "APS", "AR100"}),
        ("table6", "ATSS", {"AP", "AP_11point", "AP50/dog"}),
        ("table7", "RetinaNet", {"AP", "AP_classmean", "AR500"}),
    ],
)
def test_the_papers_own_detectors_train_and_evaluate_on_photographs(real_data, tmp_path, exhibit, row, scores_of):
    """The mini scale's ResNet-50, FPN and GroupNorm head, one iteration, in each data set's own layout, scored by its
    own protocol."""
    spec = changed(
        load_plan({"scale": "mini"}).specs[exhibit, row][0],
        input={"short": 96, "long": 160},
        schedule={"iterations": 1, "batch_size": 2, "steps": [], "warmup_iterations": 0, "checkpoint_every": 1},
    )
    prepare(spec.data, real_data, tmp_path / "data")
    run(spec, tmp_path / "data", tmp_path)
    scores = evaluate(spec, tmp_path / "data", tmp_path / "run")
    assert 0 <= scores["AP"] <= 100 and scores_of <= scores.keys()


def test_every_row_of_every_table_trains(small_spec, small_data, tmp_path):
    """One iteration each: the spec reaches every constructor."""
    plan = load_plan({"scale": "smoke"})
    groups = {run.spec.group: run.spec for run in plan.runs.values()}
    backbone = small_spec.detector.backbone.model_dump(mode="json")
    for spec in groups.values():
        detector = json.loads(spec.detector.model_dump_json()) | {"backbone": backbone}
        schedule = {"iterations": 1, "checkpoint_every": 1, "warmup_iterations": 0, "batch_size": 2}
        small = changed(
            spec.model_copy(update={"dataset": "coco", "data": small_spec.data}),
            input={"short": 96, "long": 96},
            detector=detector,
            schedule=schedule,
        )
        assert set(run(small, small_data, tmp_path / spec.group)) == set(FILES)
