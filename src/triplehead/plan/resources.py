"""What the workflow's jobs ask of a cluster; no part of a run, whose id must not depend on it."""

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt, model_validator

from triplehead.plan.options import Options

JobName = Literal["data", "pretrain", "train", "speed", "other"]


class Resources(Options):
    """Of one job. A job that is cut off at `runtime` goes on from its last checkpoint in the next attempt."""

    runtime: PositiveInt = 60  # minutes: the walltime
    mem_mb: PositiveInt = 4000  # of train: for each of the scale's devices
    # None: the scale's devices for train, one for speed, 0 on the CPU.
    gpu: NonNegativeInt | None = None
    cpus: PositiveInt | None = None  # none: the scale's threads, and for train one more for each loading process


class JobResources(Options):
    """A scale's `resources`: by rule, and `other` for the light ones (tables, figures, report, tracking)."""

    data: Resources = Resources()
    pretrain: Resources = Resources()
    train: Resources = Resources()
    speed: Resources = Resources()
    other: Resources = Resources()

    @model_validator(mode="after")
    def _gpus_are_used(self) -> "JobResources":
        for name in ("data", "pretrain", "other"):
            if getattr(self, name).gpu:
                raise ValueError(f"{name}.gpu: this job computes on the CPU, expected 0 or nothing")
        return self
