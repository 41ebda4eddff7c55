"""Learning rates by hand and parameter groups by name."""

import pytest

from triplehead.detectors.build import build_detector
from triplehead.engine.schedule import build_optimizer, learning_rate, set_learning_rate
from triplehead.plan.options import Schedule
from triplehead.plan.plan import load_plan, paper_specs


def test_the_papers_schedule():
    schedule = paper_specs("table4")[0].schedule
    at = {0: 0.01 / 3, 499: 0.01 / 3, 500: 0.01, 59_999: 0.01, 60_000: 0.001, 79_999: 0.001, 80_000: 0.0001}
    for step, rate in at.items():
        assert learning_rate(schedule, step) == pytest.approx(rate)


def test_linear_warmup_and_cosine():
    schedule = Schedule(
        iterations=100, lr=1.0, warmup="linear", warmup_iterations=10, warmup_factor=0.1, decay="cosine"
    )
    assert learning_rate(schedule, 0) == pytest.approx(0.1)
    assert learning_rate(schedule, 50) == pytest.approx(0.5)
    assert 0 < learning_rate(schedule, 99) < 0.001
    rates = [learning_rate(schedule, step) for step in range(10)]
    assert rates == sorted(rates)


def test_biases_learn_twice_as_fast_without_decay():
    spec = load_plan({"scale": "smoke"}).specs["table5", "FCOS"][0]
    model = build_detector(spec)
    schedule = Schedule(iterations=1000, weight_decay=0.1)
    optimizer = build_optimizer(model, schedule)
    set_learning_rate(optimizer, 0.01)
    settings = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        expected = (0.02, 0.0) if name.endswith(".bias") else (0.01, 0.1)
        assert settings[id(parameter)] == pytest.approx(expected), name


def test_frozen_parameters_are_not_optimised():
    spec = load_plan({"scale": "mini"}).specs["table5", "FCOS"][0]
    model = build_detector(spec)
    optimised = sum(p.numel() for g in build_optimizer(model, spec.schedule).param_groups for p in g["params"])
    assert sum(p.numel() for p in model.parameters()) - optimised == 222_400  # stem and res2
