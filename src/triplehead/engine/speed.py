"""Frames per second of trained runs, side by side."""

import os
import statistics
import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from triplehead.data.transforms import EvalTransform
from triplehead.detectors.boxes import size_of
from triplehead.detectors.build import build_detector
from triplehead.engine import checkpoint, runtime
from triplehead.engine.timing import environment, float32, hardware, raw_predictions, synchronize_of, timed
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.runs import RunSpec
from triplehead.plan.speed import Seconds, Speed, SpeedRecord, SpeedRow

Name = TypeVar("Name", bound=Hashable)


def measure_speed(
    specs: dict[str, RunSpec],
    options: Speed,
    data: Path,
    runs: Path,
    cores: int | None = None,
    accelerator: str = "cpu",
) -> SpeedRecord:
    """Time the detectors of `specs` (label -> run, all on one data set) on the same images, one image at a time.

    The first `options.images` of the validation split lie in the device's memory, decoded and resized. Two times an
    image: from the image to raw predictions of all points (for Faster R-CNN to those of its second stage, the
    proposals' NMS included), and the whole detector with decoding and NMS. Weights, float32 and channels_last as in
    evaluation; algorithms are not held to be deterministic. `cores`: how many this process may use; none: all that it
    sees.
    Raises InputError for missing or other weights, for a split without images and where memory is too small.
    """
    first = next(iter(specs.values()))
    fabric = runtime.start(first, accelerator)
    torch.use_deterministic_algorithms(False)
    seen = len(os.sched_getaffinity(0))
    threads = min(options.threads or seen, cores or seen, seen)
    torch.set_num_threads(threads)

    dataset, transform = runtime.open_data(first, data, "val"), EvalTransform(first.input)
    if not len(dataset):
        raise InputError(dataset.annotations, "holds no images to measure speed on")
    count = min(options.images, len(dataset))
    images = [fabric.to_device(transform(*dataset[index])[0]) for index in range(count)]
    protocol = options.model_copy(update={"images": count, "threads": threads})

    calls: dict[tuple[str, str], Callable[[Tensor], object]] = {}
    with runtime.enough_memory(fabric.device, "speed", 1):
        for label, spec in specs.items():
            model, file = build_detector(spec), runs / spec.id / "model.pt"
            weights = checkpoint.load(file, spec.id).get("model")
            checkpoint.load_weights(model, weights, file, finite=False)  # a run that diverged does not end the study
            model = model.to(fabric.device).to(memory_format=torch.channels_last).eval()
            calls |= {
                (label, "model"): partial(_call, partial(raw_predictions, model)),
                (label, "full"): partial(_call, model),
            }
        with torch.inference_mode():
            wait = synchronize_of(fabric)
            seconds = interleaved(calls, images, options.repeats, options.warmup, time.perf_counter, wait)

    summaries = {name: tuple(map(_summary, repeats)) for name, repeats in seconds.items()}
    return SpeedRecord(
        scale=first.scale,
        device=hardware(fabric),
        environment=environment(fabric),
        asked=options,
        protocol=protocol,
        precision=float32(fabric),
        image_sizes=tuple(sorted({size_of(image) for image in images})),
        rows=tuple(
            SpeedRow(label=label, run=spec.id, model=summaries[label, "model"], full=summaries[label, "full"])
            for label, spec in specs.items()
        ),
    )


def interleaved(
    calls: dict[Name, Callable[[Tensor], object]],
    images: list[Tensor],
    repeats: int,
    warmup: int,
    clock: Callable[[], float],
    synchronize: Callable[[], None],
) -> dict[Name, list[list[float]]]:
    """Seconds of each call, repeat and image: A B C, A B C, ..., so that a machine's drift meets all alike.

    Before each pass over the images `warmup` calls are not counted. `synchronize` waits for the device.
    """
    seconds: dict[Name, list[list[float]]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(timed(call, images, warmup, clock, synchronize))
    return seconds


def write_speed(record: SpeedRecord, path: Path) -> None:
    """As JSON, written atomically."""
    with atomic(path) as file:
        file.write_text(record.model_dump_json(indent=1) + "\n")


def _call(detector: Callable[[list[Tensor]], object], image: Tensor) -> object:
    return detector([image])


def _summary(seconds: list[float]) -> Seconds:
    return Seconds(mean=statistics.fmean(seconds), median=statistics.median(seconds))
