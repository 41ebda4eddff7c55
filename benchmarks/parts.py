"""Where the time of a proxy training step goes."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from benchmarks.measure import Result, result
from benchmarks.probes import probe, spec_of
from torch import Tensor

from triplehead.detectors.dense import DenseDetector
from triplehead.engine.probe import Probe
from triplehead.plan.plan import load_plan

SUBJECT = "parts of a proxy step"
ROWS = {"FCOS": "FCOS", "Ours": "All"}  # of Table 5
STEP = "step"


def run(rounds: int = 40) -> Iterator[Result]:
    plan = load_plan({"scale": "proxy"})
    for name, row in ROWS.items():
        seconds = parts_of(probe(spec_of(plan, "table5", row), 8), rounds)
        whole = seconds.pop(STEP)
        for part, own in seconds.items():
            yield result(f"{SUBJECT}, {name}", part, own, STEP, whole)


def parts_of(probe: Probe, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each part of `rounds` steps, after one that does not count; "losses" are all of the forward pass
    that is no other part: the final boxes of positives among them."""
    detector = probe.detector.train()
    assert isinstance(detector, DenseDetector)
    spent: dict[str, float] = defaultdict(float)

    def timed(part: str, call: Callable) -> Callable:
        def timing(*given: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return call(*given, **named)
            finally:
                spent[part] += time.process_time() - start

        return timing

    for part in ("backbone", "head"):
        module = getattr(detector, part)
        module.forward = timed(part, module.forward)
    detector.assigner = timed("assignment", detector.assigner)

    def losses() -> Tensor:
        with probe.fabric.autocast():
            return torch.stack(list(detector(probe.images, probe.targets).values())).sum()

    forward = timed("forward", losses)
    backward = timed("backward", probe.fabric.backward)
    update = timed("optimiser", probe.optimizer.step)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        spent.clear()
        total = forward()
        probe.optimizer.zero_grad(set_to_none=True)
        backward(total)
        update()
        spent[STEP] = sum(spent[part] for part in ("forward", "backward", "optimiser"))
        spent["losses"] = spent.pop("forward") - spent["backbone"] - spent["head"] - spent["assignment"]
        if number:
            for part, seconds in spent.items():
                found[part].append(seconds)
    return dict(found)
