"""A schedule as detectron2's optimiser and learning-rate multiplier."""

from collections.abc import Callable
from typing import Any

import torch
from detectron2.solver import get_default_optimizer_params
from fvcore.common.param_scheduler import ParamScheduler
from torch import nn

from triplehead.engine.schedule import learning_rate
from triplehead.plan.options import Schedule


def parameter_groups(model: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """By detectron2's own function; every parameter named bias has its own rate and decay."""
    return get_default_optimizer_params(
        model,
        base_lr=schedule.lr,
        weight_decay=schedule.weight_decay,
        bias_lr_factor=schedule.bias_lr_factor,
        weight_decay_bias=schedule.bias_weight_decay,
    )


def build_optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """SGD or AdamW that clips the norm of all gradients together first, where the schedule has a largest."""
    kind: Callable[..., torch.optim.Optimizer] = torch.optim.SGD
    settings = {"momentum": schedule.momentum}
    if schedule.optimizer == "adamw":
        kind, settings = torch.optim.AdamW, {}
    if schedule.clip_norm is not None:
        kind = _clipping(kind, schedule.clip_norm)
    return kind(parameter_groups(model, schedule), lr=schedule.lr, **settings)


class Rate(ParamScheduler):
    """`engine.schedule.learning_rate` as fvcore wants it: share of training -> factor of the base rate.

    fvcore's own parts would do for steps; a linear warm-up into a cosine they start from the cosine at its end.
    """

    def __init__(self, schedule: Schedule):
        self.schedule = schedule

    def __call__(self, where: float) -> float:
        return learning_rate(self.schedule, round(where * self.schedule.iterations)) / self.schedule.lr


def _clipping(kind: Any, norm: float) -> type[torch.optim.Optimizer]:
    """detectron2's own options clip each parameter by itself."""

    class Clipping(kind):
        def step(self, closure=None):
            parameters = [parameter for group in self.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, norm)
            return super().step(closure)

    return Clipping
