"""The training loop: iterations, not epochs; batch i depends only on (seed, i), so a resume is exact."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from triplehead.data.loader import train_loader
from triplehead.data.transforms import TrainTransform
from triplehead.detectors.backbone import ResNetFPN, TinyFPN
from triplehead.detectors.build import AnyDetector, build_detector
from triplehead.digests import check, known
from triplehead.engine import checkpoint, runtime
from triplehead.engine.batch import BatchGradients
from triplehead.engine.history import History
from triplehead.engine.progress import TrainingProgress
from triplehead.engine.schedule import build_optimizer, learning_rate, set_learning_rate
from triplehead.engine.snapshots import Snapshots
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.runs import RunSpec
from triplehead.tracking.run import Tracker

FAR = 1e6  # times its first loss, of which nothing comes back (docs/torture.md)
NOT_FINITE = "its weights are not finite"
LAST = 5  # records of losses that a diverged run is reported with


class Diverged(InputError):
    """The loss or the weights of run `spec_id` ran away. `facts`: iteration (counted from 1), `what` did, rate, losses
    then, and `before`, the last losses that were recorded."""

    def __init__(self, spec_id: str, facts: dict[str, Any]):
        said = ", ".join(f"{name} {value:g}" for name, value in facts["losses"].items())
        before = ", ".join(f"{value:.4g}" for value in facts["before"]) or "none"
        found = f"{facts['what']}: {said}, rate {facts['rate']:g}; losses before: {before}"
        super().__init__(spec_id, f"diverged at iteration {facts['iteration']}, {found}")
        self.facts = facts

    def __reduce__(self):
        return type(self), (self.args[0], self.facts)


def train(
    spec: RunSpec,
    data: Path,
    out: Path,
    scratch: Path,
    tracker: Tracker,
    pretrained: Path | None = None,
    accelerator: str = "cpu",
    num_workers: int = 0,
    stop_at: int | None = None,
    devices: int = 1,
    micro_batch: int | None = None,
) -> None:
    """Train `spec` on the data set in `data`; write to `out` model.pt, history.csv, spec.json, environment.json
    and assignments.json.gz.

    Of a run that diverges these are what there was when it did, and engine.divergence writes the rest. Goes on from the
    state in `scratch` if there is one. `stop_at` ends before that iteration without a last checkpoint, as a kill would.
    `pretrained`: what the backbone starts from. Each of `devices` has a process that calls this (engine/launch.py) and
    takes at most `micro_batch` images of its part at once; the first one writes. Raises Diverged, and InputError for
    data, weights or state that do not fit the spec and for devices that are not there.
    """
    schedule = spec.schedule
    fabric = runtime.start(spec, accelerator, schedule.precision, devices)
    runtime.announce(spec, accelerator, fabric)
    dataset = runtime.open_data(spec, data, "train", cache=spec.data.source == "scenes")
    data_digest, of_val = dataset.digest(), runtime.open_data(spec, data, "val")

    detector = build_detector(spec)
    provenance = {"data": data_digest, "data_val": of_val.digest()} | runtime.gpu(fabric)
    provenance |= load_pretrained(detector, spec, pretrained)
    detector = detector.to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(detector, schedule)

    state_file, start, history = scratch / "state.pt", 0, History(schedule.iterations)
    first: float | None = None  # loss
    snapshots = Snapshots(spec, of_val)
    if (state := checkpoint.load_state(state_file, spec.id, data_digest)) is not None:
        checkpoint.load_weights(detector, state.get("model"), state_file)
        fabric.strategy.precision.load_state_dict(state["scaler"])
        start, history = state["step"], History(schedule.iterations, state["history"])
        first = state["first"]
        snapshots.taken = state["snapshots"]
    images_at_once = micro_batch or math.ceil(schedule.batch_size / devices)
    with runtime.enough_memory(fabric.device, "micro_batch", images_at_once):
        model, optimizer = fabric.setup(detector, optimizer)
        if state is not None:  # behind the detector, whose device its moments take
            optimizer.load_state_dict(state["optimizer"])
    gradients = BatchGradients(fabric, model, detector, schedule.batch_size, micro_batch)

    stop = schedule.iterations if stop_at is None else min(stop_at, schedule.iterations)
    batches = train_loader(
        dataset,
        TrainTransform(spec.input, schedule.short_range),
        schedule.batch_size,
        spec.seed,
        start,
        stop,
        num_workers=num_workers,
        group_by_aspect=schedule.group_by_aspect,
        part=(fabric.global_rank, devices),
    )
    with TrainingProgress(start, schedule.iterations, silent=not fabric.is_global_zero) as progress:
        for step, (images, targets) in enumerate(batches, start):
            detector.progress = step / schedule.iterations
            rate = learning_rate(schedule, step)
            set_learning_rate(optimizer, rate)
            optimizer.zero_grad(set_to_none=True)
            losses = values = gradients(images, targets, spec.seed, step)
            first = values["loss"] if first is None else first
            done, is_last = step + 1, step + 1 == schedule.iterations
            is_saved = is_last or done % schedule.checkpoint_every == 0
            if (what := runaway(values["loss"], first)) is None:
                if schedule.clip_norm is not None:
                    fabric.clip_gradients(model, optimizer, max_norm=schedule.clip_norm, error_if_nonfinite=False)
                with runtime.enough_memory(fabric.device, "micro_batch", len(images)):  # the first makes the moments
                    optimizer.step()
                if is_saved and not _is_finite(detector, fabric):
                    what = NOT_FINITE
                elif is_last:  # there is no next loss that would tell
                    losses = gradients.losses(images, targets, spec.seed, step)
                    what = runaway(losses["loss"], first)
            if what is not None:
                before = [record["loss"] for record in history.records[-LAST:]]
                facts = {"iteration": done, "what": what, "rate": rate, "losses": losses, "before": before}
                if fabric.is_global_zero:
                    history.add(done, rate, values, last=True)
                    tracker.log_history([record for record in history.records if math.isfinite(record["loss"])])
                    write_run(spec, out, detector, history, snapshots, provenance)
                raise Diverged(spec.id, facts)

            if not fabric.is_global_zero:
                continue
            history.add(done, rate, values)
            progress.update(done, values)
            with runtime.enough_memory(fabric.device, "micro_batch", len(images)):
                snapshots.take(done, detector, fabric)
            if is_saved:
                checkpoint.save_state(
                    state_file,
                    spec.id,
                    data=data_digest,
                    step=done,
                    first=first,
                    model=detector.state_dict(),
                    optimizer=optimizer.state_dict(),
                    scaler=fabric.strategy.precision.state_dict(),
                    history=history.state(),
                    snapshots=snapshots.taken,
                )
                tracker.log_history(history.records)
    runtime.part(fabric)
    if not fabric.is_global_zero:
        return
    tracker.log_history(history.records)  # again: a kill may have come between the last state and its logging
    if stop == schedule.iterations:
        write_run(spec, out, detector, history, snapshots, provenance)


def runaway(loss: float, first: float) -> str | None:
    """What is wrong with a loss, given the run's first one; None for that of a sound run."""
    if not math.isfinite(loss):
        return "its loss is no number"
    return f"its loss is over {FAR:g} times the first" if loss > FAR * max(1, abs(first)) else None


def _is_finite(detector: AnyDetector, fabric: Fabric) -> bool:
    """On every device: the running statistics of BatchNorm differ between them."""
    found = torch.tensor(float(checkpoint.not_finite(detector.state_dict()) is not None), device=fabric.device)
    return not fabric.all_reduce(found, reduce_op="sum")


def load_pretrained(detector: AnyDetector, spec: RunSpec, pretrained: Path | None) -> dict[str, str]:
    """Give the backbone the weights that it starts from, if any -> what is known of their origin: the digest of the
    user's file, and of what was made of it."""
    if pretrained is None:
        return {}
    assert spec.pretrained_id is not None and isinstance(detector.backbone, ResNetFPN | TinyFPN)
    job, results = f"pretrain/{spec.pretrained_id}", pretrained.parent.parent
    check(job, pretrained, results)
    found = checkpoint.load(pretrained, spec.pretrained_id)
    checkpoint.load_weights(detector.backbone.body, found.get("body"), pretrained)
    digest = known(job, pretrained, results)
    return ({"backbone": digest} if digest else {}) | ({"weights": found["file"]} if "file" in found else {})


def write_run(
    spec: RunSpec,
    out: Path,
    model: torch.nn.Module,
    history: History,
    snapshots: Snapshots,
    provenance: dict[str, str],
) -> None:
    """assignments.json.gz, spec.json, environment.json, history.csv and model.pt."""
    snapshots.write(out / "assignments.json.gz")
    with atomic(out / "spec.json") as file:
        file.write_text(spec.model_dump_json(indent=1) + "\n")
    with atomic(out / "environment.json") as file:
        file.write_text(json.dumps(runtime.environment() | provenance, indent=1) + "\n")
    with atomic(out / "history.csv") as file:
        file.write_text(history.csv())
    checkpoint.save(out / "model.pt", spec.id, data=provenance["data"], model=model.state_dict())
