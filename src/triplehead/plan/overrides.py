"""What `--config` changes in a scale for one study: shorter runs, other weights, other devices."""

from typing import Any

from triplehead.errors import InputError
from triplehead.plan.options import Backbone, ResNet, Schedule
from triplehead.plan.schema import Config, Scale
from triplehead.plan.shares import num_turns

# What a trial may have otherwise than the scale says, in the order in which tables name it.
TRIED = ("iterations", "batch_size", "short_side", "precision", "weights", "data_complete")
PRINTED = 500  # short_side in section 4.2, where all that the paper compares with has 800


def conditions(scale: Scale, config: Config) -> str:
    """What `config` has otherwise than `scale` says, for whoever meets a number alone: "iterations=5, ..."; empty where
    runs are as the scale says."""
    return ", ".join(f"{key}={str(value).lower()}" for key, value in _departures(scale, config).items())


def _departures(scale: Scale, config: Config) -> dict[str, Any]:
    usual: dict[str, set] = {
        key: {getattr(schedule, key) for schedule in scale.schedules.values()}
        for key in ("iterations", "batch_size", "precision")
    }
    usual["weights"] = {each.weights for each in scale.backbones.values() if isinstance(each, ResNet)}
    usual["short_side"] = {scale.input.short}
    asked = {key: value for key in TRIED if (value := getattr(config, key)) is not None}
    complete = asked.pop("data_complete", True) or not scale.data_complete
    found = {key: value for key, value in asked.items() if {value} != usual[key]}
    return found if complete else found | {"data_complete": False}


def overridden(scale: Scale, config: Config) -> Scale:
    """The scale with what the configuration sets. Raises InputError for a setting that cannot be.

    `short_side` replaces the side of the data sets that have none of their own. A shorter training, a sample of the
    data where the scale demands all of it, and at the paper scale any other length, batch or size than it prints is a
    trial: its scores mean nothing, and no claim is judged by them.
    """
    changes: dict[str, Any] = {
        "schedules": {name: _schedule(schedule, config) for name, schedule in scale.schedules.items()},
        "backbones": {name: _backbone(backbone, config) for name, backbone in scale.backbones.items()},
    }
    for name in ("accelerator", "devices", "micro_batch", "runs_per_gpu"):
        if (value := getattr(config, name)) is not None:
            changes[name] = value
    shared, devices = (changes.get(name, getattr(scale, name)) for name in ("runs_per_gpu", "devices"))
    if shared > 1 and devices > 1:
        raise InputError(
            "runs_per_gpu", f"found {shared}, expected 1 with devices={devices}: who asks for many GPUs shares none"
        )
    if config.short_side is not None:
        if config.short_side > scale.input.long:
            raise InputError(
                "short_side", f"found {config.short_side}, expected at most {scale.input.long}, the long side"
            )
        changes["input"] = scale.input.model_copy(update={"short": config.short_side})
    shorter = config.iterations is not None and any(
        config.iterations < schedule.iterations for schedule in scale.schedules.values()
    )
    found = _departures(scale, config)
    published = not {"iterations", "batch_size"} & found.keys() and found.get("short_side", PRINTED) == PRINTED
    if (
        shorter
        or (scale.data_complete and config.data_complete is False)
        or (config.scale == "paper" and not published)
    ):
        changes["meaningful"] = False
    return scale.model_copy(update=changes)


def _schedule(schedule: Schedule, config: Config) -> Schedule:
    """Steps and saving keep their shares of the iterations, warm-up its length as far as it fits; the rate stays."""
    changes: dict[str, Any] = {}
    if config.precision is not None:
        changes["precision"] = config.precision
    if config.batch_size is not None:
        changes["batch_size"] = config.batch_size
    if (iterations := config.iterations) is not None:
        steps = {step * iterations // schedule.iterations for step in schedule.steps}
        changes |= {
            "iterations": iterations,
            "steps": tuple(sorted(step for step in steps if 0 < step < iterations)),
            "warmup_iterations": min(schedule.warmup_iterations, iterations),
            "checkpoint_every": min(schedule.checkpoint_every, iterations),
        }
    if config.short_side is not None and schedule.short_range is not None:
        low, high = schedule.short_range
        changes["short_range"] = (max(1, low * config.short_side // high), config.short_side)
    return schedule.model_copy(update=changes)


def _backbone(backbone: Backbone, config: Config) -> Backbone:
    if config.weights is None or not isinstance(backbone, ResNet):
        return backbone
    return backbone.model_copy(update={"weights": config.weights})


def check_batches(scale: Scale) -> None:
    """Raise InputError unless there is an image of each schedule's batches for every device in each of its turns."""
    for name, schedule in scale.schedules.items():
        batch = f"a batch of {schedule.batch_size} (schedule {name})"
        smallest = schedule.batch_size // scale.devices
        if not smallest:
            raise InputError("devices", f"found {scale.devices}, more than the images of {batch}")
        turns = num_turns(schedule.batch_size, scale.devices, scale.micro_batch)
        if turns > smallest:
            problem = (
                f"found {scale.micro_batch}, of which a device would take {turns} times and another has {smallest}"
            )
            raise InputError("micro_batch", f"{problem} images of {batch}")
