"""A schedule as detectron2's optimiser and learning-rate multiplier."""

from typing import Any

import torch
from detectron2.solver import WarmupParamScheduler, get_default_optimizer_params
from fvcore.common.param_scheduler import CosineParamScheduler, MultiStepParamScheduler, ParamScheduler
from torch import nn

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
    kind, settings = torch.optim.SGD, {"momentum": schedule.momentum}
    if schedule.optimizer == "adamw":
        kind, settings = torch.optim.AdamW, {}
    if schedule.clip_norm is not None:
        kind = _clipping(kind, schedule.clip_norm)
    return kind(parameter_groups(model, schedule), lr=schedule.lr, **settings)


def lr_multiplier(schedule: Schedule) -> ParamScheduler:
    """Of the base rate by the share of training. Equals `engine.schedule.learning_rate`, but for linear warm-up into a
    cosine, which detectron2 starts from the cosine's value at the warm-up's end."""
    if schedule.decay == "cosine":
        decay: ParamScheduler = CosineParamScheduler(1, 0)
    else:
        values = [schedule.gamma**index for index in range(len(schedule.steps) + 1)]
        decay = MultiStepParamScheduler(values, milestones=[*schedule.steps, schedule.iterations])
    if not schedule.warmup_iterations:
        return decay
    return WarmupParamScheduler(
        decay, schedule.warmup_factor, schedule.warmup_iterations / schedule.iterations, schedule.warmup
    )


def _clipping(kind: type[torch.optim.Optimizer], norm: float) -> type[torch.optim.Optimizer]:
    """detectron2's own options clip each parameter by itself."""

    class Clipping(kind):
        def step(self, closure=None):
            parameters = [parameter for group in self.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, norm)
            return super().step(closure)

    return Clipping
