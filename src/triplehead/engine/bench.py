"""Step time, memory and frames per second of the paper's detectors on one device: `benchmarks/<hardware>-<date>.json`.

At the paper's scale this is the raw material of Table 3 and of the cost of JLA; nothing is trained for it.
"""

import json
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.accelerators import CUDAAccelerator

from triplehead.engine import runtime
from triplehead.engine.probe import CANDIDATES, OBJECTS, Probe
from triplehead.engine.timing import environment, float32, hardware, peak_memory, synchronize_of, timed
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.options import Dense, Precision
from triplehead.plan.runs import RunSpec

PRECISIONS: tuple[Precision, ...] = ("32-true", "bf16-mixed")
FOLDER = Path("benchmarks")
CROWD = 300  # boxes in an image: a crowded one of VisDrone
EARLY, LATE = 0.0, 0.99  # of training: JLA resolves ambiguous samples in two ways


def bench(
    specs: dict[str, RunSpec],
    accelerator: str,
    batch_size: int | None = None,
    repeats: int = 20,
    warmup: int = 5,
    precisions: Sequence[Precision] = PRECISIONS,
) -> dict[str, Any]:
    """Measure the detectors of `specs` (label -> run) in each precision, one after the other.

    `batch_size`: images of a training step; none: the schedule's. What does not fit in memory is recorded as such,
    with the batch to try next.
    Raises InputError where `accelerator` is "auto" and no GPU can be seen.
    """
    if accelerator != "cpu" and not CUDAAccelerator.is_available():
        raise InputError("bench", "no GPU can be seen by torch; --scale smoke --accelerator cpu tries the command out")
    rows = []
    for label, spec in specs.items():
        for precision in precisions:
            fabric = runtime.start(spec, accelerator, precision)
            print(f"{label}, {precision}", file=sys.stderr, flush=True)
            rows.append({"label": label, "precision": precision} | _row(spec, fabric, batch_size, repeats, warmup))
    first = next(iter(specs.values()))
    return {
        "hardware": hardware(fabric),
        "device": "gpu" if fabric.device.type == "cuda" else "cpu",
        "environment": environment(fabric),
        "float32": float32(fabric),
        "scale": first.scale,
        "image_size": [first.input.short, first.input.long],
        "images": f"noise with {OBJECTS} boxes",
        "weights": f"initial; of a dense detector {CANDIDATES:g} candidates for a point pass the score threshold",
        "repeats": repeats,
        "warmup": warmup,
        "rows": rows,
    }


def _row(spec: RunSpec, fabric: Fabric, batch_size: int | None, repeats: int, warmup: int) -> dict[str, Any]:
    """Training (a batch), detection (one image) and label assignment of one detector."""
    images = batch_size or spec.schedule.batch_size

    def seconds(call: Callable) -> dict[str, float]:
        measured = timed(call, range(repeats), warmup, synchronize=synchronize_of(fabric))
        return {"median": statistics.median(measured), "mean": statistics.fmean(measured)}

    try:
        with runtime.enough_memory(fabric.device, "--batch-size", images):
            probe = Probe(spec, fabric, images)
            row: dict[str, Any] = {"batch_size": images} | _step(probe, seconds)
            if isinstance(spec.detector, Dense):
                row |= {"assigner": spec.detector.assigner.name}
                row["crowd"] = _crowd(probe, seconds)
                probe.pass_candidates()
            probe.optimizer.zero_grad(set_to_none=True)
            row["detect_memory"] = peak_memory(fabric, [probe.detect])
            full, model = seconds(probe.detect), seconds(probe.predict)
    except runtime.OutOfMemory as error:
        print(f"warning: {error}", file=sys.stderr, flush=True)
        return {"batch_size": images, "out_of_memory": True, "next_batch_size": error.smaller}
    return row | {"FPS": 1 / full["median"], "FPS_model": 1 / model["median"], "detect_seconds": full}


def _crowd(probe: Probe, seconds: Callable) -> dict[str, Any]:
    """The same with CROWD boxes in each image; its own memory may be too small."""
    row: dict[str, Any] = {"objects": CROWD}
    probe.put(CROWD)
    try:
        with runtime.enough_memory(probe.fabric.device, "--batch-size", len(probe.images)):
            row |= _step(probe, seconds)
    except runtime.OutOfMemory as error:
        print(f"warning: with {CROWD} boxes each {error}", file=sys.stderr, flush=True)
        row |= {"out_of_memory": True, "next_batch_size": error.smaller}
    probe.put(OBJECTS)
    return row


def _step(probe: Probe, seconds: Callable) -> dict[str, Any]:
    """A training step and, of a dense detector, the share of label assignment in it."""
    memory = peak_memory(probe.fabric, [probe.step])
    step = seconds(probe.step)
    row = {"step_seconds": step, "step_memory": memory}
    if not isinstance(probe.spec.detector, Dense):
        return row
    assign = {name: seconds(probe.assignment(at)) for name, at in (("early", EARLY), ("late", LATE))}
    share = {name: each["median"] / step["median"] for name, each in assign.items()}
    return row | {"assign_seconds": assign, "assign_share": share}


def write_bench(record: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Under a name that says what was measured and when; one of the same day is replaced."""
    name = re.sub(r"[^a-z0-9]+", "-", record["hardware"].lower()).strip("-")
    path = folder / f"{name}-{date.today().isoformat()}.json"
    with atomic(path) as file:
        file.write_text(json.dumps(record, indent=1) + "\n")
    return path
