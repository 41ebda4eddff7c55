"""engine: detectron2: the same files as this suite's engine, exact after an interruption, COCO's evaluator's numbers."""

import gzip
import json

import numpy as np
import pytest
import torch
from tests.helpers import changed

from triplehead.data.prepare import prepare
from triplehead.detectron2.data import train_loader
from triplehead.detectron2.evaluate import evaluate
from triplehead.detectron2.solver import Rate, build_optimizer
from triplehead.detectron2.train import train
from triplehead.engine import checkpoint
from triplehead.engine import schedule as own_schedule
from triplehead.engine.coco_scores import coco_scores
from triplehead.engine.resample import resample
from triplehead.engine.runtime import open_data
from triplehead.engine.train import Diverged
from triplehead.errors import InputError
from triplehead.plan.options import Schedule
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Resampling
from triplehead.tracking.run import Tracker

ITERATIONS = 6


@pytest.fixture(scope="module")
def spec():
    found = load_plan({"scale": "smoke", "engine": "detectron2"}).specs["table5", "All"][0]
    found = changed(found, detector={"backbone": found.detector.backbone.model_dump() | {"pretrain": None}})
    return changed(
        found,
        data={"train": 12, "val": 6},
        schedule={
            "iterations": ITERATIONS,
            "steps": [4],
            "warmup_iterations": 2,
            "checkpoint_every": 2,
            "batch_size": 2,
        },
        detector=json.loads(found.detector.model_dump_json()) | {"postprocess": {"score_threshold": 0.0}},
    )


@pytest.fixture(scope="module")
def data(spec, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    prepare(spec.data, None, folder)
    return folder


def run(spec, data, out, scratch=None, **options):
    train(spec, data, out, scratch or out / "scratch", Tracker(None, spec, [], out), **options)


@pytest.fixture(scope="module")
def done(spec, data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    run(spec, data, out)
    return out


def test_files(spec, data, done):
    names = {path.name for path in done.iterdir() if path.is_file()}
    assert names == {"spec.json", "environment.json", "history.csv", "model.pt", "assignments.json.gz"}
    assert "detectron2" in json.loads((done / "environment.json").read_text())
    lines = (done / "history.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,lr,") and "loss" in lines[0].split(",") and len(lines) == ITERATIONS + 1
    rates = [float(line.split(",")[1]) for line in lines[1:]]
    assert rates == pytest.approx([own_schedule.learning_rate(spec.schedule, step) for step in range(ITERATIONS)])
    assert json.loads(gzip.decompress((done / "assignments.json.gz").read_bytes()))


def test_resume_is_exact(spec, data, done, tmp_path):
    """Ended between checkpoints, after which one iteration is done again."""
    run(spec, data, tmp_path, stop_at=3)
    assert not (tmp_path / "model.pt").exists()
    run(spec, data, tmp_path)
    for name in ("history.csv", "assignments.json.gz"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()
    before, after = (checkpoint.load(folder / "model.pt", spec.id)["model"] for folder in (done, tmp_path))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_that_is_over_is_not_done_again(spec, data, done, tmp_path, capsys):
    """Its files, taken away by Snakemake, come from the last state."""
    run(spec, data, tmp_path)
    for file in tmp_path.glob("*.*"):
        file.unlink()
    assert f"/{ITERATIONS} " in capsys.readouterr().err
    run(spec, data, tmp_path)
    assert f"/{ITERATIONS} " not in capsys.readouterr().err
    for name in ("history.csv", "assignments.json.gz"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()
    before, after = (checkpoint.load(folder / "model.pt", spec.id)["model"] for folder in (done, tmp_path))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_damaged_state_is_not_gone_on_from(spec, data, done, tmp_path, capsys):
    """The one before it is, to the same bytes; a state that was not written whole is none."""
    run(spec, data, tmp_path, stop_at=5)
    scratch = tmp_path / "scratch"
    first, last = sorted(scratch.glob("model_*.pth"))
    assert torch.load(last, weights_only=True)["iteration"] == 3  # detectron2's own files
    flipped = bytearray(last.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    last.write_bytes(flipped)
    run(spec, data, tmp_path)
    assert (
        f"{last}: damaged, not the bytes that were written; going on from the state before" in capsys.readouterr().err
    )
    for name in ("history.csv", "assignments.json.gz"):
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes()
    before, after = (checkpoint.load(folder / "model.pt", spec.id)["model"] for folder in (done, tmp_path))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not first.exists() and len(list(scratch.glob("model_0*.pth"))) == 2 and not list(scratch.glob(".*"))


def test_a_full_disk_is_one_line_and_the_state_before_stays(spec, data, tmp_path, monkeypatch):
    run(spec, data, tmp_path, stop_at=2)
    held = {file.name: file.read_bytes() for file in (tmp_path / "scratch").iterdir()}

    def full(content, file):
        file.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"model_0000003\.pth: cannot be written \(.*\)$"):
        run(spec, data, tmp_path)
    assert {file.name: file.read_bytes() for file in (tmp_path / "scratch").iterdir()} == held


def test_a_run_that_diverges_leaves_what_there_was(spec, data, tmp_path):
    wild = changed(spec, schedule={"lr": 1e12, "clip_norm": None, "warmup_iterations": 0})
    with pytest.raises(Diverged, match="diverged at iteration") as raised:
        run(wild, data, tmp_path)
    facts, history = raised.value.facts, (tmp_path / "history.csv").read_text().splitlines()
    assert 1 < facts["iteration"] <= ITERATIONS and len(facts["before"]) == facts["iteration"] - 1
    assert np.isfinite(facts["before"]).all() and not facts["losses"]["loss"] < 1e6
    assert facts["rate"] == pytest.approx(own_schedule.learning_rate(wild.schedule, facts["iteration"] - 1))
    assert len(history) == facts["iteration"] + 1
    assert checkpoint.load(tmp_path / "model.pt", wild.id)["model"] and (tmp_path / "assignments.json.gz").is_file()


@pytest.mark.parametrize(("rate", "what"), [(1e12, "its loss is "), (float("inf"), "its weights are not finite")])
def test_a_run_whose_last_step_is_wild_diverges(spec, data, tmp_path, rate, what, monkeypatch):
    monkeypatch.setattr("triplehead.detectron2.solver.learning_rate", lambda *_: rate)
    wild = changed(
        spec, schedule={"optimizer": "sgd", "clip_norm": None, "iterations": 1, "warmup_iterations": 0, "steps": []}
    )
    with pytest.raises(Diverged, match=f"diverged at iteration 1, {what}"):
        run(wild, data, tmp_path)
    assert not list((tmp_path / "scratch").glob("*.pth")) and (tmp_path / "history.csv").is_file()


def test_state_of_another_run_is_refused(spec, data, tmp_path):
    run(spec, data, tmp_path, stop_at=2)
    with pytest.raises(InputError, match="belongs to"):
        run(changed(spec, seed=1), data, tmp_path)
    for file in (tmp_path / "scratch").glob("*.pth"):
        file.write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged, not the bytes that were written, as is any"):
        run(spec, data, tmp_path)


def test_scores_are_its_evaluators(spec, data, done, monkeypatch, capsys):
    """And ours from the same detections, bit by bit; intervals can be made from the matches."""
    from triplehead.detectron2 import evaluate as module

    seen = {}
    original = module._Evaluator.evaluate
    monkeypatch.setattr(module._Evaluator, "evaluate", lambda self: seen.setdefault("found", original(self)))
    scores = evaluate(spec, data, done)
    assert not capsys.readouterr().out
    dataset = open_data(spec, data, "val")
    results = json.loads(gzip.decompress((done / "detections.json.gz").read_bytes()))
    assert len(results) > 20 and set(json.loads((done / "scores.json").read_text())) >= {"AP", "AP50", "AP75", "APS"}
    assert scores["AP50"] == seen["found"]["bbox"]["AP50"]
    assert scores == pytest.approx(coco_scores(dataset.annotations, results, spec.evaluation), abs=1e-9)
    resample(spec, done, Resampling(replicates=100))
    assert np.load(done / "replicates.npz")


def test_batches_do_not_depend_on_where_it_begins(spec, data):
    dataset = open_data(spec, data, "train")
    whole = list(train_loader(spec, dataset, 0, 4))
    late = list(train_loader(spec, dataset, 2, 4))
    assert len(whole) == 4 and len(late) == 2
    for a, b in zip(whole[2:], late, strict=True):
        assert [each["image_id"] for each in a] == [each["image_id"] for each in b]
        assert all(torch.equal(x["image"], y["image"]) for x, y in zip(a, b, strict=True))
        assert all(
            torch.equal(x["instances"].gt_boxes.tensor, y["instances"].gt_boxes.tensor)
            for x, y in zip(a, b, strict=True)
        )
    assert len({each["image_id"] for batch in whole for each in batch}) == 8


@pytest.mark.parametrize(
    "changes", [{}, {"warmup": "linear", "decay": "cosine"}, {"warmup_iterations": 0, "steps": ()}]
)
def test_rates(changes):
    schedule = Schedule.model_validate({"iterations": 90, "warmup_iterations": 5, "steps": (60, 80)} | changes)
    multiplier = Rate(schedule)
    found = [schedule.lr * multiplier(step / 90) for step in range(90)]
    assert found == pytest.approx([own_schedule.learning_rate(schedule, step) for step in range(90)])


def test_optimizer_groups_and_clipping():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.GroupNorm(1, 2))
    schedule = Schedule(iterations=10, warmup_iterations=0, clip_norm=1.0, momentum=0.0, weight_decay=0.0)
    optimizer = build_optimizer(model, schedule)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 10.0)
    before = [parameter.clone() for parameter in model.parameters()]
    optimizer.step()
    moved = torch.cat([(a - b).flatten() for a, b in zip(before, model.parameters(), strict=True)]).detach()
    expected = 10.0 / (10.0 * 8**0.5)  # of eight equal gradients whose norm together is 1
    assert moved.abs().max() == pytest.approx(0.02 * expected, rel=1e-5) and moved.abs().min() == pytest.approx(
        0.01 * expected, rel=1e-5
    )
