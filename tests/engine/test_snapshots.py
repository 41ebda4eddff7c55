"""Snapshots of the assignment: what they say is what the assigner does, and training does not notice them."""

import gzip
import json

import pytest
import torch
from tests.helpers import changed
from torch.testing import assert_close

from triplehead.data.examples import example_images
from triplehead.data.loader import train_loader
from triplehead.data.prepare import open_split
from triplehead.data.transforms import EvalTransform, TrainTransform
from triplehead.detectors.build import build_detector
from triplehead.engine import checkpoint, runtime
from triplehead.engine.batch import BatchGradients
from triplehead.engine.schedule import build_optimizer
from triplehead.engine.snapshots import NEGATIVES, Snapshots, moments
from triplehead.engine.train import train
from triplehead.plan.options import FasterRCNN
from triplehead.tracking.run import Tracker


def run(spec, data, place):
    train(spec, data, place / "run", place / "scratch", Tracker(None, spec, [], place))
    return place / "run"


def taken(spec, data, detector, done):
    snapshots = Snapshots(spec, open_split(data, "val"))
    snapshots.take(done, detector, runtime.start(spec, "cpu"))
    return snapshots


@pytest.mark.parametrize(
    ("iterations", "expected"),
    [
        (90_000, [1500, 15_000, 45_000, 90_000]),
        (600, [10, 100, 300, 600]),
        (30, [1, 5, 15, 30]),
        (2, [1, 2]),
        (1, [1]),
    ],
)
def test_moments_are_fixed_shares_of_training(iterations, expected):
    assert moments(iterations) == expected


def test_a_run_leaves_a_snapshot_for_each_moment_and_image(small_spec, small_data, tmp_path):
    folder = run(small_spec, small_data, tmp_path)
    snapshots = json.loads(gzip.decompress((folder / "assignments.json.gz").read_bytes()))
    assert [snapshot["iteration"] for snapshot in snapshots] == moments(12)
    dataset = open_split(small_data, "val")
    for snapshot in snapshots:
        assert [image["image_id"] for image in snapshot["images"]] == [
            dataset.image_ids[index] for index in example_images(dataset)
        ]
        for image, index in zip(snapshot["images"], example_images(dataset), strict=True):
            height, width = image["size"]
            assert_close(torch.tensor(image["boxes"]), dataset[index][1]["boxes"], atol=0.01, rtol=0)
            assert len(image["negatives"]) == NEGATIVES
            for row in [*(row[3:] for row in image["positives"]), *(row[2:] for row in image["negatives"])]:
                x1, y1, x2, y2 = row
                assert 0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height


def test_the_last_snapshot_is_what_the_trained_detector_assigns(small_spec, small_data, tmp_path):
    folder = run(small_spec, small_data, tmp_path)
    last = json.loads(gzip.decompress((folder / "assignments.json.gz").read_bytes()))[-1]
    detector = build_detector(small_spec)
    detector.load_state_dict(checkpoint.load(folder / "model.pt", small_spec.id)["model"])
    detector.train()
    dataset = open_split(small_data, "val")
    images, targets = zip(*(EvalTransform(small_spec.input)(*dataset[i]) for i in example_images(dataset)), strict=True)
    with torch.no_grad():
        predictions, points = detector.predict(list(images))
        matched_gt = detector.assigner(predictions, points, targets, 1.0)
    for i, image in enumerate(last["images"]):
        (positive,) = (matched_gt[i] >= 0).nonzero(as_tuple=True)
        expected = torch.cat([points.xy[positive], matched_gt[i, positive, None]], dim=1)
        found = torch.tensor(image["positives"])
        assert_close(found[:, :3], expected)
        assert_close(found[:, 3:], predictions.boxes[i, positive].clamp(0, 96), atol=0.01, rtol=1e-4)
        assert len(image["ignored"]) == (matched_gt[i] == -2).sum()
        probability = predictions.logits[i].sigmoid().amax(dim=1)
        hardest = points.xy[probability.where(matched_gt[i] == -1, 0).argsort(descending=True)[:NEGATIVES]]
        assert sorted(row[:2] for row in image["negatives"]) == sorted(hardest.tolist())


def test_positions_are_in_pixels_of_the_original_image(small_spec, small_data):
    """The same image at half its size: a point of stride 4 there is one of stride 8 here."""
    half = changed(small_spec, input={"short": 48, "long": 48})
    snapshot = taken(half, small_data, build_detector(half).train(), 1)
    for image in snapshot.taken[0]["images"]:
        assert image["size"] == [96, 96]
        steps = {round(x) % 8 for x, *_ in image["positives"]}
        assert steps <= {4, 0} and len(image["positives"])
        truth = open_split(small_data, "val")
        index = truth.image_ids.index(image["image_id"])
        assert_close(torch.tensor(image["boxes"]), truth[index][1]["boxes"], atol=0.02, rtol=0)


def test_training_does_not_notice(small_spec, small_data, tmp_path, monkeypatch):
    with_snapshots = run(small_spec, small_data, tmp_path / "with")
    monkeypatch.setattr(Snapshots, "take", lambda *_: None)
    without = run(small_spec, small_data, tmp_path / "without")
    for name in ("model.pt", "history.csv"):
        assert (with_snapshots / name).read_bytes() == (without / name).read_bytes()
    assert (with_snapshots / "assignments.json.gz").read_bytes() != (without / "assignments.json.gz").read_bytes()


def test_the_detector_and_the_random_state_are_left_as_they_were(small_spec, small_data):
    detector = build_detector(small_spec).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    random = torch.get_rng_state()
    assert taken(small_spec, small_data, detector, 1).taken
    assert detector.training and all(parameter.grad is None for parameter in detector.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    for name, value in detector.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_snapshot_does_not_depend_on_the_last_batchs_shape(small_spec, small_data):
    dataset, fabric = runtime.open_data(small_spec, small_data, "train"), runtime.start(small_spec, "cpu")
    found = []
    for shape in ((64, 64), (128, 192)):
        detector = build_detector(small_spec).train()
        images, targets = next(train_loader(dataset, TrainTransform(small_spec.input), 2, 0, 0, 1))
        targets = [target | {"batch_shape": shape} for target in targets]
        model, _ = fabric.setup(detector, build_optimizer(detector, small_spec.schedule))
        BatchGradients(fabric, model, detector, 2, None).losses(images, targets, 0, 0)
        found.append(taken(small_spec, small_data, detector, 1).taken)
    assert found[0] == found[1]


def test_a_prediction_that_overflowed_is_written(small_spec, small_data, tmp_path):
    detector = build_detector(small_spec).train()
    with torch.no_grad():
        for name, parameter in detector.named_parameters():
            if "scale" in name:
                parameter.fill_(1e30)
    snapshots = taken(small_spec, small_data, detector, 1)
    snapshots.write(tmp_path / "assignments.json.gz")
    assert json.loads(gzip.decompress((tmp_path / "assignments.json.gz").read_bytes()))


def test_detectors_that_are_not_dense_leave_an_empty_list(small_spec, small_data, tmp_path):
    backbone = small_spec.detector.backbone
    spec = small_spec.model_copy(update={"detector": FasterRCNN(architecture="faster_rcnn", backbone=backbone)})
    folder = run(changed(spec, schedule={"iterations": 1, "warmup_iterations": 0}), small_data, tmp_path)
    assert gzip.decompress((folder / "assignments.json.gz").read_bytes()) == b"[]"
    assert "positives" not in (folder / "history.csv").read_text().splitlines()[0]


def test_the_history_counts_positives_per_object(small_spec, small_data, tmp_path):
    """FCOS's assignment depends on no prediction: counted here from the batches alone."""
    from triplehead.data.loader import train_loader
    from triplehead.data.transforms import TrainTransform
    from triplehead.plan.plan import load_plan

    fcos = load_plan({"scale": "smoke"}).specs["table5", "Baseline"][0].detector.model_dump(mode="json")
    backbone = small_spec.detector.backbone.model_dump(mode="json")
    spec = changed(small_spec, detector=fcos | {"backbone": backbone}, schedule={"iterations": 3})
    folder = run(spec, small_data, tmp_path)
    lines = (folder / "history.csv").read_text().splitlines()
    column = lines[0].split(",").index("positives")
    detector = build_detector(spec).eval()
    batches = train_loader(open_split(small_data, "train"), TrainTransform(spec.input), 2, spec.seed, 0, 3)
    for line, (images, targets) in zip(lines[1:], batches, strict=True):
        with torch.no_grad():
            predictions, points = detector.predict(images)
        matched_gt = detector.assigner(predictions, points, targets, 0.0)
        expected = int((matched_gt >= 0).sum()) / sum(len(target["boxes"]) for target in targets)
        assert float(line.split(",")[column]) == pytest.approx(expected)
