"""What a CPU computes, a GPU computes as well; skipped where there is none."""

import csv
import json
from copy import deepcopy

import pytest
import torch
from tests.engine.test_batch import BATCH, paper_spec
from tests.helpers import changed
from torchvision.ops import deform_conv2d

from triplehead.data.loader import train_loader
from triplehead.data.transforms import EvalTransform, TrainTransform
from triplehead.detectors import kernels
from triplehead.detectors.assigners import mixture
from triplehead.detectors.build import build_detector
from triplehead.detectors.heads import box_taps
from triplehead.detectors.heads.box_taps import by_cell
from triplehead.detectors.heads.deform import taps_to_offsets
from triplehead.detectors.heads.star import StarConv, star_taps, star_vectors
from triplehead.engine import checkpoint, runtime
from triplehead.engine.batch import BatchGradients
from triplehead.engine.evaluate import evaluate
from triplehead.engine.probe import Probe
from triplehead.engine.schedule import build_optimizer
from triplehead.engine.train import train
from triplehead.errors import InputError
from triplehead.plan.schema import Resampling
from triplehead.tracking.run import Tracker

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU can be seen by torch"),
]

ROWS = [
    ("table5", "FCOS"),
    ("table5", "Baseline"),
    ("table5", "JLA"),
    ("table5", "All"),
    ("table6", "RetinaNet"),
    ("table6", "ATSS"),
    ("table8", "BorderDet"),
    ("table8", "DyHead"),
]


@pytest.fixture(autouse=True)
def _exact_products(monkeypatch):
    """No TF32, whose products differ from a CPU's in the fourth digit."""
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    usual = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = usual


def first_batch(spec, data, accelerator):
    """(losses, gradients) of the first batch under the initial weights."""
    fabric = runtime.start(spec, accelerator)
    detector = build_detector(spec).train()
    for name, buffer in detector.named_buffers():
        if name.endswith("bn3.weight"):  # without ImageNet's weights frozen BatchNorm lets activations grow
            buffer.fill_(0.2)
    model, _ = fabric.setup(detector, build_optimizer(detector, spec.schedule))
    dataset = runtime.open_data(spec, data, "train")
    images, targets = next(train_loader(dataset, TrainTransform(spec.input), BATCH, 0, 0, 1))
    values = BatchGradients(fabric, model, detector, len(images), None)(images, targets, 0, 0)
    found = {name: p.grad.double().cpu() for name, p in detector.named_parameters() if p.requires_grad}
    return values, found


@pytest.mark.parametrize(("exhibit", "row"), ROWS)
def test_losses_and_gradients_are_the_cpus(small_spec, small_data, exhibit, row):
    spec = paper_spec(small_spec, exhibit, row)
    (expected, gradients), (values, found) = (first_batch(spec, small_data, kind) for kind in ("cpu", "gpu"))
    # The border branch has no positives yet: its box loss is 0 on either side.
    loss = max(abs(values[name] - expected[name]) / (abs(expected[name]) or 1) for name in expected)
    norm = sum(float(g.norm() ** 2) for g in gradients.values()) ** 0.5
    gradient = sum(float((found[name] - g).norm() ** 2) for name, g in gradients.items()) ** 0.5 / norm
    print(f"{row}: losses differ by {loss:.1e}, gradients by {gradient:.1e}")
    assert loss < 1e-4
    assert gradient < 1e-2  # a flipped ReLU does not pass for a mistake


@pytest.mark.parametrize("name", ["FCOS", "All"])
def test_raw_predictions_are_the_cpus(small_spec, small_data, name):
    spec = paper_spec(small_spec, "table5", name)
    dataset, transform = runtime.open_data(spec, small_data, "val"), EvalTransform(spec.input)
    image = transform(*dataset[0])[0]
    detector = build_detector(spec).eval()
    with torch.inference_mode():
        expected = detector.predict([image])[0]
        found = deepcopy(detector).cuda().predict([image.cuda()])[0]  # final boxes are made when they are asked for
    for part in ("logits", "boxes"):
        one, other = getattr(expected, part), getattr(found, part).cpu()
        print(f"{name}: {part} differ by {float((one - other).abs().max() / one.abs().max()):.1e} of the largest")
        assert (one - other).abs().max() <= 1e-4 * one.abs().max()


def run_of(spec, data, place, accelerator="gpu", **options):
    train(
        spec, data, place / "run", place / "scratch", Tracker(None, spec, [], place), accelerator=accelerator, **options
    )


def losses(place):
    with open(place / "run" / "history.csv") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_training_learns_in_each_precision(small_spec, small_data, tmp_path, precision):
    """Twenty passes over two batches' worth of images: the loss falls by a quarter at least."""
    spec = changed(small_spec, schedule={"iterations": 60, "precision": precision, "checkpoint_every": 60})
    run_of(spec, small_data, tmp_path)
    found = losses(tmp_path)
    assert sum(found[-3:]) < 0.75 * sum(found[:3])


def test_a_resumed_training_takes_the_same_steps(small_spec, small_data, tmp_path):
    """The same images at the same rate; losses up to what a GPU's sums differ by."""
    run_of(small_spec, small_data, tmp_path / "whole")
    run_of(small_spec, small_data, tmp_path / "parts", stop_at=7)
    run_of(small_spec, small_data, tmp_path / "parts")
    parts, whole = losses(tmp_path / "parts"), losses(tmp_path / "whole")
    print("a resumed training's losses differ by", max(abs(a - b) / b for a, b in zip(parts, whole, strict=True)))
    assert parts == pytest.approx(whole, rel=0.05)


def test_a_run_of_one_device_is_scored_alike_by_the_other(small_spec, small_data, tmp_path):
    run_of(changed(small_spec, schedule={"iterations": 60, "checkpoint_every": 60}), small_data, tmp_path)
    spec = changed(small_spec, schedule={"iterations": 60, "checkpoint_every": 60})
    scores = {}
    for kind in ("cpu", "gpu"):
        evaluate(spec, small_data, tmp_path / "run", accelerator=kind, resampling=Resampling())
        scores[kind] = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["gpu"]["AP"] == pytest.approx(scores["cpu"]["AP"], abs=0.1)


def test_too_many_images_name_the_number_to_try(small_spec, small_data, tmp_path):
    spec = paper_spec(small_spec, "table5", "FCOS")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_allocated() + 2e9) / total))
    try:
        with pytest.raises(InputError, match=r"micro_batch: 8 images at once do not fit .* micro_batch=4 is the next"):
            large = changed(spec, input={"short": 640, "long": 1280}, schedule={"short_range": None})
            run_of(large, small_data, tmp_path)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("rows", [100, 3000])
@pytest.mark.parametrize("boundary", ["cluster", "densest"])
def test_mixtures_are_the_cpus(rows, boundary):
    losses = torch.rand(rows, 35, generator=torch.Generator().manual_seed(0)) ** 2 * 8
    valid = torch.arange(35) < torch.arange(rows)[:, None] % 36
    expected, found = (mixture.fit(losses.to(device), valid.to(device)) for device in ("cpu", "cuda"))
    assert found.means.is_cuda and torch.equal(found.n_iter.cpu(), expected.n_iter)
    torch.testing.assert_close(found.means.cpu(), expected.means, rtol=1e-9, atol=1e-9)
    low, low_found = (mixture.low_cluster(losses.to(at), valid.to(at), boundary) for at in ("cpu", "cuda"))
    assert torch.equal(low_found.cpu(), low) and low.any()


@pytest.mark.parametrize("built", [True, False], ids=["Triton", "torch"])
def test_star_convolutions_are_torchvisions(built, monkeypatch):
    """Values and gradients, by Triton's kernels and by torch's operations."""
    assert kernels.gpu_kernels(torch.ones(1, device="cuda"))
    if not built:
        monkeypatch.setattr(box_taps, "gpu_kernels", lambda *_: None)
    generator = torch.Generator("cuda").manual_seed(0)
    sizes = [(40, 60), (20, 30), (3, 4)]
    maps = [torch.randn(2, 64, *size, device="cuda", generator=generator, requires_grad=True) for size in sizes]
    ltrb = [torch.rand(2, 4, *size, device="cuda", generator=generator) * 9 for size in sizes]
    conv = StarConv(64).cuda()

    def values(found):
        return [*found, *torch.autograd.grad(sum(x.square().sum() for x in found), [*maps, conv.weight])]

    taps = [taps_to_offsets(star_vectors(box)) for box in ltrb]
    expected = values([deform_conv2d(x, tap, conv.weight, padding=1).relu() for x, tap in zip(maps, taps, strict=True)])
    ours = values(conv(maps, star_taps(ltrb)))
    difference = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, expected, strict=True))
    print(f"star convolution: differs by {difference:.1e} of the largest")
    assert difference < 1e-5


def test_readings_have_the_same_bits_each_time():
    """Gradients too, which `deform_conv2d` adds up in the order of its threads."""
    generator = torch.Generator("cuda").manual_seed(0)
    maps = [torch.randn(2, 64, 40, 60, device="cuda", generator=generator, requires_grad=True)]
    ltrb = [torch.rand(2, 4, 40, 60, device="cuda", generator=generator) * 9]
    found = []
    for _ in range(3):
        read = star_taps(ltrb).readings.read(by_cell(maps))
        found.append((read.detach(), *torch.autograd.grad(read.square().sum(), maps)))
    assert all(torch.equal(a, b) for again in found[1:] for a, b in zip(again, found[0], strict=True))


def test_the_step_and_the_assignment_run_in_each_precision(small_spec):
    spec = paper_spec(small_spec, "table5", "All")
    for precision in ("32-true", "bf16-mixed", "16-mixed"):
        probe = Probe(spec, runtime.start(spec, "gpu", precision), 4, objects=40)
        probe.step()
        assert probe.assignment(0.9)().is_cuda
        probe.detect()
        weights = [p for p in probe.detector.parameters() if p.grad is not None]
        assert all(torch.isfinite(p.grad).all() for p in weights)


def test_weights_of_a_gpu_load_on_a_cpu(small_spec, small_data, tmp_path):
    run_of(small_spec, small_data, tmp_path)
    state = checkpoint.load(tmp_path / "run" / "model.pt", small_spec.id)["model"]
    assert {value.device.type for value in state.values()} == {"cpu"}
