"""A run trained by detectron2: its trainer, hooks, loader and checkpointer, and the files of this suite's engine."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from detectron2.engine import AMPTrainer, HookBase, SimpleTrainer, hooks
from detectron2.solver import LRMultiplier
from lightning_fabric import Fabric

from triplehead.detectors.build import build_detector
from triplehead.detectron2.contract import FORMAT, Contract
from triplehead.detectron2.data import train_loader
from triplehead.detectron2.solver import Rate, build_optimizer
from triplehead.detectron2.states import Checkpointer, Saver
from triplehead.engine import checkpoint, runtime
from triplehead.engine.batch import running_statistics_kept
from triplehead.engine.history import History
from triplehead.engine.progress import TrainingProgress
from triplehead.engine.snapshots import Snapshots
from triplehead.engine.train import LAST, NOT_FINITE, Diverged, load_pretrained, runaway, write_run
from triplehead.plan.runs import RunSpec
from triplehead.tracking.run import Tracker

AMP = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
IDENTITY = "run.json"  # in the scratch folder: whose state it is


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
    """As `engine.train.train`, by detectron2's trainer in one process; the same files.

    Goes on from detectron2's checkpoint in `scratch`, exactly: position, augmentations, optimiser and rate are those of
    an undisturbed run. `stop_at` ends before that iteration, as a kill would.
    """
    schedule = spec.schedule
    fabric = runtime.start(spec, accelerator)
    runtime.announce(spec, accelerator, fabric)
    dataset = runtime.open_data(spec, data, "train")
    of_val = runtime.open_data(spec, data, "val")
    provenance = {"data": dataset.digest(), "data_val": of_val.digest(), "detectron2": detectron2_version()}
    provenance |= runtime.gpu(fabric)
    detector = build_detector(spec)
    provenance |= load_pretrained(detector, spec, pretrained)
    model = Contract(detector, schedule.iterations, FORMAT).to(fabric.device).train()
    optimizer = build_optimizer(model, schedule)
    multiplier = Rate(schedule)
    snapshots = Snapshots(spec, of_val)
    kept = _Kept(spec, lambda share: schedule.lr * multiplier(share), snapshots, fabric)

    _claim(scratch, spec.id, provenance["data"])
    if schedule.precision == "32-true":
        trainer = SimpleTrainer(model, [], optimizer)
    else:
        trainer = AMPTrainer(model, [], optimizer, precision=AMP[schedule.precision])
    checkpointer = Checkpointer(model, str(scratch), trainer=trainer)
    rate = hooks.LRScheduler(optimizer, LRMultiplier(optimizer, multiplier, schedule.iterations))
    saver = Saver(checkpointer, schedule.checkpoint_every, schedule.iterations)
    log = _Log(spec, kept, tracker)
    trainer.register_hooks([_Seeds(spec), rate, _Bounds(spec, model), kept, saver, log])
    start = trainer.iter + 1 if checkpointer.resume(saver) else 0
    stop = schedule.iterations if stop_at is None else min(stop_at, schedule.iterations)
    trainer.reset_data_loader(lambda: train_loader(spec, dataset, start, stop, num_workers))
    with TrainingProgress(start, schedule.iterations) as log.progress:
        try:
            trainer.train(start, stop)
        except (FloatingPointError, _RanAway) as error:  # the former: detectron2's check, which hands down no losses
            if not isinstance(error, _RanAway):
                error = _RanAway("its loss is no number", {"loss": math.nan}, {"loss": math.nan})
            done, at = trainer.iter + 1, kept.rate(trainer.iter / schedule.iterations)
            before = [record["loss"] for record in kept.history.records[-LAST:]]
            facts = {"iteration": done, "what": error.what, "rate": at, "losses": error.losses, "before": before}
            kept.history.add(done, at, kept.latest | error.values, last=True)
            tracker.log_history([record for record in kept.history.records if math.isfinite(record["loss"])])
            write_run(spec, out, detector, kept.history, snapshots, provenance)
            raise Diverged(spec.id, facts) from None
    tracker.log_history(kept.history.records)
    if stop == schedule.iterations:
        write_run(spec, out, detector, kept.history, snapshots, provenance)


def detectron2_version() -> str:
    import detectron2

    return detectron2.__version__


def _claim(scratch: Path, run_id: str, data: str) -> None:
    """InputError where detectron2's state in `scratch` is of another run or other data: it does not say so itself."""
    file = scratch / IDENTITY
    if file.exists():
        checkpoint.load(file, run_id, data)
    else:
        checkpoint.save(file, run_id, data=data)


class _Seeds(HookBase):
    """What a model draws depends on (seed, iteration) alone."""

    def __init__(self, spec: RunSpec):
        self.seed = spec.seed

    def before_step(self) -> None:
        runtime.seed_step(self.seed, self.trainer.iter)


class _RanAway(Exception):
    """What did; losses then; losses of the iteration, for the learning curve."""

    def __init__(self, what: str, losses: dict[str, float], values: dict[str, float]):
        self.what, self.losses, self.values = what, losses, values


class _Bounds(HookBase):
    """Ends a run whose loss or weights run away, by the rules of engine.train."""

    def __init__(self, spec: RunSpec, model: Contract):
        self.spec, self.model = spec, model
        self.first: float | None = None  # loss
        self.batch: list[dict] = []
        model.register_forward_pre_hook(lambda _, inputs: setattr(self, "batch", inputs[0]))

    def after_step(self) -> None:
        schedule, done = self.spec.schedule, self.trainer.iter + 1
        losses = values = _losses(self.trainer.storage.latest(), self.trainer.iter)
        self.first = values["loss"] if self.first is None else self.first
        is_last = done == schedule.iterations
        if (what := runaway(values["loss"], self.first)) is None:
            is_saved = is_last or done % schedule.checkpoint_every == 0
            if is_saved and checkpoint.not_finite(self.model.state_dict()) is not None:
                what = NOT_FINITE
            elif is_last:
                losses = self._losses_now()
                what = runaway(losses["loss"], self.first)
        if what is not None:
            raise _RanAway(what, losses, values)

    def _losses_now(self) -> dict[str, float]:
        """Of the last batch, after the step."""
        runtime.seed_step(self.spec.seed, self.trainer.iter)
        precision, device = self.spec.schedule.precision, self.model.device.type
        mixed = torch.autocast(device, AMP[precision]) if precision in AMP else nullcontext()
        with torch.no_grad(), running_statistics_kept(self.model), mixed:
            found = {name.removeprefix("loss_"): float(value) for name, value in self.model(self.batch).items()}
        return found | {"loss": sum(found.values())}

    def state_dict(self) -> dict:
        return {"first": self.first}

    def load_state_dict(self, state: dict) -> None:
        self.first = state["first"]


class _Kept(HookBase):
    """Learning curve and snapshots. A trainer's state holds its hooks', so that neither has a seam after a resume."""

    def __init__(self, spec: RunSpec, rate: Callable[[float], float], snapshots: Snapshots, fabric: Fabric):
        self.iterations = spec.schedule.iterations
        self.rate, self.snapshots, self.fabric = rate, snapshots, fabric
        self.history = History(self.iterations)
        self.latest: dict[str, float] = {}

    def after_step(self) -> None:
        storage, done = self.trainer.storage, self.trainer.iter + 1
        self.latest = _losses(storage.latest(), self.trainer.iter)
        self.history.add(done, self.rate(self.trainer.iter / self.iterations), self.latest)
        self.snapshots.take(done, self.trainer.model.detector, self.fabric)

    def state_dict(self) -> dict:
        return {"history": self.history.state(), "snapshots": self.snapshots.taken}

    def load_state_dict(self, state: dict) -> None:
        self.history = History(self.iterations, state["history"])
        self.snapshots.taken = state["snapshots"]


class _Log(HookBase):
    """What the user and MLflow see; after the checkpoint, so that nothing is logged that is not saved."""

    progress: TrainingProgress

    def __init__(self, spec: RunSpec, kept: _Kept, tracker: Tracker):
        self.schedule, self.kept, self.tracker = spec.schedule, kept, tracker

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        self.progress.update(done, self.kept.latest)
        if done % self.schedule.checkpoint_every == 0:
            self.tracker.log_history(self.kept.history.records)


def _losses(latest: dict[str, tuple[float, int]], iteration: int) -> dict[str, float]:
    """This iteration's, by the names of this suite."""
    named = {"total_loss": "loss"}
    return {
        named.get(name, name.removeprefix("loss_")): float(value)
        for name, (value, step) in latest.items()
        if step == iteration and (name.startswith("loss_") or name in ("total_loss", "positives"))
    }
