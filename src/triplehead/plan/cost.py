"""What a plan will take, before anything ran."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from triplehead.plan.calibration import Calibration, kind_in
from triplehead.plan.options import AnyScenes
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Cost, Scale, Step

NOT_COUNTED = "; start, reading and scoring not counted"
VAL_IMAGES = {"coco": 5000, "voc": 4952, "visdrone": 548}  # of the splits that are evaluated, as published


@dataclass(frozen=True)
class Footprint:
    """Bytes on disk: of a finished run, and of one state of its training."""

    run: int
    state: int


@dataclass(frozen=True)
class Estimate:
    """Seconds that each run keeps its device busy; None where nobody has measured. `source`: by what measure."""

    device: Literal["cpu", "gpu"]
    source: str
    runs: dict[str, float | None]
    devices: int = 1  # that share each run, whose seconds are those of one
    around: dict[str, float] = field(default_factory=dict)  # of the seconds of a run, those that are not its steps

    @property
    def total(self) -> float:
        """Seconds of all runs that are known."""
        return sum(seconds for seconds in self.runs.values() if seconds is not None)

    @property
    def unknown(self) -> list[str]:
        """Ids of the runs whose time nobody has measured."""
        return [run for run, seconds in self.runs.items() if seconds is None]

    def wall(self, workers: int) -> float:
        """Seconds until the last known run ends, where each of `workers` takes the plan's next when it is free.

        Devices that share a run are taken to train as many times as fast as one.
        """
        seconds = []
        for run_id, whole in self.runs.items():
            if whole is not None:
                alone = self.around.get(run_id, 0.0)  # of one device: the others do not evaluate
                seconds.append(alone + (whole - alone) / self.devices)
        return list_schedule(seconds, workers)


def summary(found: Estimate, workers: int, machine: str, calibrate: str) -> list[str]:
    """What an estimate comes to, in words: for example of 8 runs at once on `machine` "8 GPUs"; calibrate: the command
    that measures what nobody has. A total of some runs says so before its number."""
    known = len(found.runs) - len(found.unknown)
    if not known:
        return [f"{found.device.upper()}-hours: not measured; {calibrate} times steps on the machine"]
    some = f"for {known} of {len(found.runs)} runs: " if found.unknown else ""
    lines = [
        f"{some}{amount(found.total, f'{found.device.upper()}-')}, {amount(found.wall(workers))} on {machine}",
        f"by {found.source}",
    ]
    if found.devices > 1:
        lines.append(f"if {found.devices} devices train {found.devices} times as fast as one: not measured")
    if found.unknown:
        lines.append(f"without {len(found.unknown)} runs that were not measured; {calibrate} does it")
    return lines


def amount(seconds: float, prefix: str = "") -> str:
    """5400.0, "GPU-" -> "90 GPU-minutes"; from two hours on in hours."""
    minutes = seconds / 60
    if minutes >= 120:
        return f"{minutes / 60:,.1f} {prefix}hours"
    return f"{minutes:.0f} {prefix}minutes" if minutes >= 10 else f"{minutes:.1f} {prefix}minutes"


def list_schedule(seconds: Iterable[float], workers: int) -> float:
    """When the last job ends: each goes to the worker that is free first (Graham's list scheduling)."""
    ends = [0.0] * workers
    for duration in seconds:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def estimate(plan: Plan, calibration: Calibration | None = None) -> Estimate:
    """By `calibration` if it knows any kind of the plan's runs, else by the scale's own cost; else nothing is known."""
    specs = {run_id: run.spec for run_id, run in plan.runs.items()}
    cost = plan.scale.cost
    own = cost if cost and (cost.device == "cpu" or plan.scale.accelerator != "cpu") else None
    if calibration and any(kind_in(spec, plan.scale) in calibration.kinds for spec in specs.values()):
        around = cost.run if cost else None
        source = f"{calibration.repeats} steps of each kind, timed on {calibration.machine}"
        source += f", and {around:g} s around each run" if around else NOT_COUNTED
        return _timed(specs, calibration.kinds, calibration.device, source, plan.scale, around)
    if own and any(kind_in(spec, plan.scale) in own.kinds for spec in specs.values()):
        source = f"steps of each kind, timed on {own.machine}{NOT_COUNTED}"
        return _timed(specs, own.kinds, own.device, source, plan.scale)
    if own and own.run is not None:
        times: dict[str, float | None] = {run_id: run_seconds(spec, own) for run_id, spec in specs.items()}
        devices = plan.scale.devices if own.device == "gpu" else 1
        source = f"whole studies timed on {own.machine}"
        return Estimate(own.device, source, times, devices, dict.fromkeys(times, own.run))
    return Estimate("gpu" if plan.scale.gpus_of("train") else "cpu", "not measured", dict.fromkeys(specs))


def _timed(
    specs: dict[str, RunSpec],
    kinds: dict[str, Step],
    device: Literal["cpu", "gpu"],
    source: str,
    scale: Scale,
    around: float | None = None,
) -> Estimate:
    measured = {run_id: kinds.get(kind_in(spec, scale)) for run_id, spec in specs.items()}
    seconds = {run_id: timed_seconds(spec, measured[run_id], around) for run_id, spec in specs.items()}
    rest = {run_id: _around(specs[run_id], step, around) for run_id, step in measured.items() if step}
    return Estimate(device, source, seconds, scale.devices, rest)


def disk_bytes(footprints: list[Footprint]) -> int:
    """At most: all finished runs, and their last two states, which are there until something is made of them."""
    return sum(footprint.run + 2 * footprint.state for footprint in footprints)


def run_seconds(spec: RunSpec, cost: Cost) -> float:
    """Seconds of one run by the cost of a training image and of everything around them, fitted to whole studies."""
    assert cost.run is not None
    head = spec.detector.head.name if spec.detector.architecture == "dense" else spec.detector.architecture
    images = spec.schedule.iterations * spec.schedule.batch_size
    return images * cost.image.get(head, max(cost.image.values())) + cost.run


def timed_seconds(spec: RunSpec, measured: Step | None, around: float | None = None) -> float | None:
    """Device seconds of one run: its steps, and `around` them or, without it, the detections of the evaluation. None
    where its kind was not measured.

    A step's time is taken to be proportional to its images where another batch was timed.
    """
    if measured is None:
        return None
    trained = spec.schedule.iterations * spec.schedule.batch_size * measured.step / measured.batch_size
    return trained + _around(spec, measured, around)


def _around(spec: RunSpec, measured: Step, around: float | None) -> float:
    """Of `timed_seconds` those that are not steps."""
    return val_images(spec) * measured.image if around is None else around


def val_images(spec: RunSpec) -> int:
    """That a run is evaluated on; of the user's own images as many as the data set has that they are taken for."""
    return spec.data.val if isinstance(spec.data, AnyScenes) else VAL_IMAGES[spec.data.layout]
