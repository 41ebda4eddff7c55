"""One batch in any number of parts: the same loss and the same gradients up to rounding."""

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from tests.helpers import changed

from triplehead.data.loader import train_loader
from triplehead.data.transforms import TrainTransform
from triplehead.detectors.build import build_detector
from triplehead.engine import runtime
from triplehead.engine.batch import BatchGradients
from triplehead.engine.schedule import build_optimizer
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.plan.runs import RunSpec

BATCH = 8


def paper_spec(small_spec: RunSpec, exhibit: str, row: str) -> RunSpec:
    """A row's detector as the paper has it, with GroupNorm, on digit scenes."""
    spec = load_plan({"scale": "mini"}).specs[exhibit, row][0]
    spec = spec.model_copy(update={"dataset": "coco", "data": small_spec.data, "num_classes": 10})
    return changed(
        spec,
        input={"short": 96, "long": 160},
        schedule={"batch_size": BATCH, "short_range": [64, 128], "iterations": 20},
    )


def gradients(spec, dataset, micro_batch, sizes=2, precision="64-true", batch=BATCH):
    """(losses, gradients by name) of the first batch; float64, so that a flipped ReLU does not pass for a mistake."""
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision, plugins=[LightningEnvironment()])
    detector = build_detector(spec).train()
    for name, buffer in detector.named_buffers():
        if name.endswith("bn3.weight"):  # without ImageNet's weights frozen BatchNorm lets activations grow
            buffer.fill_(0.2)
    model, _ = fabric.setup(detector, build_optimizer(detector, spec.schedule))
    transform = TrainTransform(spec.input, spec.schedule.short_range)
    images, targets = next(train_loader(dataset, transform, batch, 0, 0, 1))
    assert min(2, len({image.shape for image in images})) == sizes  # with one, padding would play no part
    images = [fabric.strategy.precision.convert_input(image) for image in images]
    values = BatchGradients(fabric, model, detector, len(images), micro_batch)(images, targets, 0, 0)
    return values, {name: p.grad.clone() for name, p in detector.named_parameters() if p.requires_grad}


def assert_close(found, expected, tolerance):
    """Of each parameter's gradient, in shares of its norm."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= tolerance * gradient.norm(), name


ROWS = [("table5", "FCOS"), ("table5", "JLA"), ("table6", "ATSS"), ("table8", "BorderDet")]


@pytest.mark.slow
@pytest.mark.parametrize(("exhibit", "row"), ROWS)
def test_turns_do_not_change_the_gradients(small_spec, small_data, exhibit, row):
    spec = paper_spec(small_spec, exhibit, row)
    dataset = runtime.open_data(spec, small_data, "train")
    whole, expected = gradients(spec, dataset, None)
    values, found = gradients(spec, dataset, 2)
    assert values == pytest.approx(whole, rel=1e-6)
    assert_close(found, expected, 1e-6)


@pytest.mark.slow
def test_turns_do_not_change_the_gradients_of_the_triple_head(small_spec, small_data):
    """In float32, which its deformable convolution keeps to."""
    spec = paper_spec(small_spec, "table5", "All")
    dataset = runtime.open_data(spec, small_data, "train")
    whole, expected = gradients(spec, dataset, None, precision="32-true")
    values, found = gradients(spec, dataset, 2, precision="32-true")
    assert values == pytest.approx(whole, rel=1e-6)
    assert_close(found, expected, 1e-4)  # 8e-7 where no ReLU flips


def test_without_the_whole_batchs_positives_the_gradients_would_be_others(small_spec, small_data, monkeypatch):
    """The test above can fail: each part divided by its own positives."""
    from triplehead.detectors.losses import alone

    spec = paper_spec(small_spec, "table5", "JLA")
    dataset = runtime.open_data(spec, small_data, "train")
    whole, _ = gradients(spec, dataset, None)
    monkeypatch.setattr(BatchGradients, "_share", lambda *_: alone)
    assert gradients(spec, dataset, 1)[0]["box"] > 2 * whole["box"]


def test_turns_of_torchvisions_retinanet(small_spec, small_data):
    """Its losses are means over images, here of 3 and 2. One size: it pads to the images at hand."""
    spec = changed(paper_spec(small_spec, "table6", "RetinaNet"), schedule={"short_range": None})
    dataset = runtime.open_data(spec, small_data, "train")
    whole, expected = gradients(spec, dataset, None, sizes=1, batch=5)
    values, found = gradients(spec, dataset, 3, sizes=1, batch=5)
    assert values == pytest.approx(whole, rel=1e-6)
    assert_close(found, expected, 1e-6)


def test_the_pass_that_counts_leaves_batchnorms_statistics_alone(small_spec, small_data):
    dataset = runtime.open_data(small_spec, small_data, "train")
    fabric = runtime.start(small_spec, "cpu")
    detector = build_detector(small_spec).train()
    model, _ = fabric.setup(detector, build_optimizer(detector, small_spec.schedule))
    images, targets = next(train_loader(dataset, TrainTransform(small_spec.input), 4, 0, 0, 1))
    BatchGradients(fabric, model, detector, len(images), 2)(images, targets, 0, 0)
    counted = {int(b) for name, b in detector.named_buffers() if name.endswith("num_batches_tracked")}
    assert counted == {2}  # two turns of training, not four


@pytest.mark.parametrize(
    ("error", "micro_batch", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), None, "micro_batch: 8 images at once do not fit .* micro_batch=4 is the next"),
        (torch.OutOfMemoryError("CUDA out of memory"), 2, "micro_batch: 2 images at once do not fit .* micro_batch=1 is the next"),
        (torch.OutOfMemoryError("CUDA out of memory"), 1, "micro_batch: one image does not fit .* lower short_side"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), None, "micro_batch=4 is the next"),
        (RuntimeError("CUDA error: out of memory"), None, "micro_batch=4 is the next"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), None, "micro_batch=4 is the next"),
        (RuntimeError("another"), None, None),
    ],
)  # fmt: skip
def test_too_little_memory_says_what_to_try_next(small_spec, small_data, monkeypatch, error, micro_batch, message):
    spec = paper_spec(small_spec, "table5", "FCOS")
    dataset = runtime.open_data(spec, small_data, "train")

    def full(*_):
        raise error

    monkeypatch.setattr("triplehead.detectors.dense.DenseDetector.predict", full)
    with pytest.raises(InputError if message else RuntimeError, match=message):
        gradients(spec, dataset, micro_batch)


def test_fp16_scales_its_losses_and_saves_the_scale(small_spec, small_data, tmp_path):
    from tests.engine.test_train import run

    from triplehead.engine import checkpoint

    spec = changed(small_spec, schedule={"precision": "16-mixed", "iterations": 6, "checkpoint_every": 3})
    whole = run(spec, small_data, tmp_path / "whole")
    run(spec, small_data, tmp_path / "parts", stop_at=4)
    assert run(spec, small_data, tmp_path / "parts") == whole
    state = checkpoint.load(tmp_path / "whole" / "scratch" / "state.pt", spec.id)
    assert state["scaler"]["scale"] > 1


@pytest.mark.parametrize(
    ("accelerator", "devices", "message"),
    [
        ("gpu", 1, "accelerator: gpu is asked for, but torch sees none here"),
        ("auto", 2, "devices: found 2, but torch sees 0 GPUs here"),
    ],
)
def test_devices_that_are_not_there(small_spec, monkeypatch, accelerator, devices, message):
    monkeypatch.setattr("lightning_fabric.accelerators.CUDAAccelerator.auto_device_count", lambda: 0)
    with pytest.raises(InputError, match=message):
        runtime.start(small_spec, accelerator, devices=devices)
