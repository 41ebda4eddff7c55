"""The training loop: iterations, not epochs; batch i depends only on (seed, i), so a resume is exact."""

import json
from pathlib import Path

import torch

from triplehead.data.loader import train_loader
from triplehead.data.transforms import TrainTransform
from triplehead.detectors.build import build_detector
from triplehead.detectors.dense import DenseDetector
from triplehead.engine import checkpoint, runtime
from triplehead.engine.history import History
from triplehead.engine.progress import TrainingProgress
from triplehead.engine.schedule import build_optimizer, learning_rate, set_learning_rate
from triplehead.engine.snapshots import Snapshots
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.runs import RunSpec
from triplehead.tracking.run import Tracker


class Diverged(InputError):
    """The loss stopped being a number."""


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
) -> None:
    """Train `spec` on the data set in `data`; write to `out` model.pt, history.csv, spec.json, environment.json
    and assignments.json.gz.

    Goes on from the state in `scratch` if there is one. `stop_at` ends before that iteration without a last
    checkpoint, as a kill would. Raises Diverged, and InputError for data or state that do not fit the spec.
    """
    schedule = spec.schedule
    fabric = runtime.start(spec, accelerator, schedule.precision)
    dataset = runtime.open_data(spec, data, "train", cache=spec.data.source == "scenes")
    data_digest = dataset.digest()

    detector = build_detector(spec)
    if pretrained is not None:
        body = checkpoint.load(pretrained, spec.pretrained_id)["body"]
        checkpoint.load_weights(detector.backbone.body, body, pretrained)
    detector = detector.to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(detector, schedule)

    state_file, start, history = scratch / "state.pt", 0, History(schedule.iterations)
    snapshots = Snapshots(spec, runtime.open_data(spec, data, "val"))
    if state_file.exists():
        state = checkpoint.load(state_file, spec.id, data_digest)
        checkpoint.load_weights(detector, state["model"], state_file)
        optimizer.load_state_dict(state["optimizer"])
        start, history = state["step"], History(schedule.iterations, state["history"])
        snapshots.taken = state["snapshots"]
    model, optimizer = fabric.setup(detector, optimizer)

    stop = schedule.iterations if stop_at is None else min(stop_at, schedule.iterations)
    batches = train_loader(
        dataset, TrainTransform(spec.input), schedule.batch_size, spec.seed, start, stop, num_workers=num_workers
    )
    with TrainingProgress(start, schedule.iterations) as progress:
        for step, (images, targets) in enumerate(batches, start):
            runtime.seed_step(spec.seed, step)
            detector.progress = step / schedule.iterations
            rate = learning_rate(schedule, step)
            set_learning_rate(optimizer, rate)
            images = [fabric.to_device(image) for image in images]
            targets = [{key: fabric.to_device(target[key]) for key in ("boxes", "labels")} for target in targets]

            with fabric.autocast():  # a call of `model` would round the targets to bfloat16 as well
                losses = detector(images, targets)
            total = sum(losses.values())
            values = {name: float(value.detach()) for name, value in losses.items()} | {"loss": float(total.detach())}
            if isinstance(detector, DenseDetector):
                values["positives"] = float(detector.positives)
            if not torch.isfinite(total.detach()):
                raise Diverged(spec.id, f"diverged at iteration {step}: losses {values}, rate {rate:g}")
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(total)
            if schedule.clip_norm is not None:
                fabric.clip_gradients(model, optimizer, max_norm=schedule.clip_norm, error_if_nonfinite=False)
            optimizer.step()

            done = step + 1
            history.add(done, rate, values)
            progress.update(done, values)
            snapshots.take(done, detector, fabric)
            if done % schedule.checkpoint_every == 0 or done == schedule.iterations:
                checkpoint.save(
                    state_file,
                    spec.id,
                    data=data_digest,
                    step=done,
                    model=detector.state_dict(),
                    optimizer=optimizer.state_dict(),
                    history=history.state(),
                    snapshots=snapshots.taken,
                )
                tracker.log_history(history.records)
    tracker.log_history(history.records)  # again: a kill may have come between the last state and its logging
    if stop == schedule.iterations:
        snapshots.write(out / "assignments.json.gz")
        _write_run(spec, out, detector, history, data_digest)


def _write_run(spec: RunSpec, out: Path, model: torch.nn.Module, history: History, data_digest: str) -> None:
    with atomic(out / "spec.json") as file:
        file.write_text(spec.model_dump_json(indent=1) + "\n")
    with atomic(out / "environment.json") as file:
        file.write_text(json.dumps(runtime.environment() | {"data": data_digest}, indent=1) + "\n")
    with atomic(out / "history.csv") as file:
        file.write_text(history.csv())
    checkpoint.save(out / "model.pt", spec.id, data=data_digest, model=model.state_dict())
