"""Optimiser and learning rate: functions of the spec and the iteration alone."""

import math

import torch
from torch import nn

from triplehead.plan.options import Schedule


def build_optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """SGD or AdamW; every parameter named bias has its own rate and decay, as in maskrcnn-benchmark."""
    weights: list[nn.Parameter] = []
    biases: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (biases if name.rsplit(".", 1)[-1] == "bias" else weights).append(parameter)
    groups = [
        {"params": weights, "factor": 1.0, "weight_decay": schedule.weight_decay},
        {"params": biases, "factor": schedule.bias_lr_factor, "weight_decay": schedule.bias_weight_decay},
    ]
    if schedule.optimizer == "adamw":
        # In one call, but for fp16: that one unscales its gradients itself, after they should have been clipped.
        return torch.optim.AdamW(groups, lr=schedule.lr, fused=schedule.precision != "16-mixed" or None)
    return torch.optim.SGD(groups, lr=schedule.lr, momentum=schedule.momentum)


def learning_rate(schedule: Schedule, step: int) -> float:
    """The base rate at an iteration, counted from 0."""
    rate = schedule.lr
    if schedule.decay == "steps":
        rate *= schedule.gamma ** sum(step >= boundary for boundary in schedule.steps)
    else:
        rate *= 0.5 * (1 + math.cos(math.pi * step / schedule.iterations))
    if step < schedule.warmup_iterations:
        start = schedule.warmup_factor
        share = step / schedule.warmup_iterations if schedule.warmup == "linear" else 0
        rate *= start + (1 - start) * share
    return rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group `rate` times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
