"""How calls are timed on either device; what every measurement says of its machine."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle, islice
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from triplehead.detectors.boxes import Predictions
from triplehead.engine import runtime

Input = TypeVar("Input")


def timed(
    call: Callable[[Input], object],
    inputs: Sequence[Input],
    warmup: int,
    clock: Callable[[], float] = time.perf_counter,
    synchronize: Callable[[], None] = lambda: None,
) -> list[float]:
    """Seconds of `call` on each of `inputs`, after `warmup` calls that do not count. `synchronize` waits for the
    device, which a call may leave at work."""
    for each in islice(cycle(inputs), warmup):
        call(each)
    synchronize()
    seconds = []
    for each in inputs:
        start = clock()
        call(each)
        synchronize()
        seconds.append(clock() - start)
    return seconds


def raw_predictions(detector: Any, images: list[Tensor]) -> Any:
    """What `detector.predict` makes of images, with the final boxes of all points: detection asks for some alone."""
    made = detector.predict(images)
    if isinstance(made, tuple) and isinstance(made[0], Predictions):
        _ = made[0].boxes
    return made


def synchronize_of(fabric: Fabric) -> Callable[[], None]:
    """A call that waits until the device has done all it was given; on a CPU it does nothing."""
    return torch.cuda.synchronize if fabric.device.type == "cuda" else _nothing


def hardware(fabric: Fabric) -> str:
    """Name of the GPU or processor that `fabric` computes on."""
    on_gpu = fabric.device.type == "cuda"
    return torch.cuda.get_device_name() if on_gpu else runtime.environment()["processor"]


def environment(fabric: Fabric) -> dict[str, str]:
    """What ran (`runtime.environment`), and the GPU and CUDA's version where `fabric` computes on one."""
    return runtime.environment() | runtime.gpu(fabric)


def float32(fabric: Fabric) -> str:
    """What float32 means there."""
    on_gpu = fabric.device.type == "cuda"
    tf32 = on_gpu and torch.backends.cudnn.allow_tf32 and torch.cuda.get_device_capability() >= (8, 0)
    return "float32, TF32 convolutions and products" if tf32 else "float32"


def peak_memory(fabric: Fabric, calls: Iterable[Callable[[], object]]) -> int | None:
    """Most bytes that torch held on the GPU while it did `calls`; None on the CPU."""
    if fabric.device.type != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    for call in calls:
        call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def _nothing() -> None:
    """The CPU is done when a call returns."""
