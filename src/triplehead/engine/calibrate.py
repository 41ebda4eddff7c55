"""What the plan's runs cost on this machine: a few steps of each kind of detector, timed."""

import statistics
import sys
from pathlib import Path

import torch
from lightning_fabric.accelerators import CUDAAccelerator

from triplehead.engine import runtime
from triplehead.engine.probe import Probe
from triplehead.engine.timing import environment, hardware, peak_memory, synchronize_of, timed
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.calibration import CALIBRATION, Calibration, kind_in, micro_batch, read_calibration
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Step

REPEATS, WARMUP = 10, 2


def calibrate(
    plan: Plan, path: Path = CALIBRATION, batch_size: int | None = None, repeats: int = REPEATS, warmup: int = WARMUP
) -> Calibration | None:
    """Time `repeats` training steps and detections of each kind in the plan and add them to the file at `path`.

    `batch_size`: images of a step, where the schedule's do not fit here. A step takes them in turns where the scale's
    `micro_batch` has it do so. Written after each kind, so that nothing
    measured is lost; what was measured on other hardware is dropped. Returns what the file then holds, None where a
    plan without runs has added nothing to nothing. Raises InputError where a batch does not fit, and where the scale's
    GPU is not there, or whose engine is another: the CPU's memory is not tried with whole batches for it.
    """
    if plan.scale.accelerator != "cpu" and batch_size is None and not CUDAAccelerator.is_available():
        problem = f"scale {plan.config.scale} is for a GPU and torch sees none; --batch-size 1 times it on the CPU"
        raise InputError("--calibrate", problem)
    own = [run.spec for run in plan.runs.values() if run.spec.engine == "triplehead"]
    if plan.runs and not own:
        raise InputError("--calibrate", "times this suite's own engine, and all runs of the plan are another's")
    specs = {kind_in(spec, plan.scale): spec for spec in reversed(own)}
    known = read_calibration(path)
    for number, (kind, spec) in enumerate(reversed(specs.items()), 1):
        images, at_once = batch_size or spec.schedule.batch_size, micro_batch(spec, plan.scale)
        if at_once and images <= at_once:
            raise InputError("--batch-size", f"found {images}, expected more than the micro_batch of {at_once}")
        fabric = runtime.start(spec, plan.scale.accelerator, spec.schedule.precision)
        with runtime.enough_memory(fabric.device, "--batch-size", images):
            step = _measure(Probe(spec, fabric, images, micro_batch=at_once), repeats, warmup)
        here = Calibration(
            device="gpu" if fabric.device.type == "cuda" else "cpu", hardware=hardware(fabric),
            threads=torch.get_num_threads(), repeats=repeats,
            environment=environment(fabric), kinds={kind: step},
        )  # fmt: skip
        if known and (known.device, known.machine) == (here.device, here.machine):
            here = here.model_copy(update={"kinds": known.kinds | here.kinds})
        known = here
        with atomic(path) as file:
            file.write_text(here.model_dump_json(indent=1) + "\n")
        print(f"{number}/{len(specs)}  {kind}: {step.step:.3g} s a step of {images}", file=sys.stderr, flush=True)
    return known


def _measure(probe: Probe, repeats: int, warmup: int) -> Step:
    again, synchronize = range(repeats), synchronize_of(probe.fabric)
    memory = peak_memory(probe.fabric, [probe.step])
    seconds = timed(probe.step, again, warmup, synchronize=synchronize)
    image = timed(probe.evaluate, again, warmup, synchronize=synchronize)
    return Step(
        batch_size=len(probe.images), step=statistics.median(seconds), image=statistics.median(image), memory=memory
    )
