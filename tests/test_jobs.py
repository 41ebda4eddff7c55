"""What Snakemake's rules declare."""

import re
from types import SimpleNamespace

import pytest

from triplehead.jobs import declared, one_of, one_of_runs


def test_every_value_of_every_wildcard_is_a_file():
    rules = [
        SimpleNamespace(output=["results/{exhibit,a|b-1}.csv"], log=["logs/{exhibit,a|b-1}.log"]),
        SimpleNamespace(output=["{x,1|2}/{y,3|4}"], log=[]),
        SimpleNamespace(output=["reports/report.pdf"], log=[]),
    ]
    assert declared(rules) == [
        "results/a.csv", "results/b-1.csv", "logs/a.log", "logs/b-1.log", "1/3", "1/4", "2/3", "2/4",
        "reports/report.pdf",
    ]  # fmt: skip


def test_a_wildcard_is_one_of_the_names_and_nothing_like_them():
    names = ["a-1", "b.c"]
    assert [name for name in ("a-1", "b.c", "bxc", "") if re.fullmatch(one_of(names), name)] == names
    assert declared([SimpleNamespace(output=[f"{{x,{one_of(names)}}}"], log=[])]) == names
    assert one_of([]) == "none"


@pytest.mark.parametrize(
    "chosen", [range(0), range(1), range(4, 5), range(2), range(3), range(4), range(1, 5), range(5)]
)
def test_a_run_is_of_the_chosen_and_none_of_the_others(chosen):
    """Each run matches in every place that the rules have it, whichever of the two is said."""
    runs = [f"proxy-jla-s{seed}-{'0a' * 4}{seed}" for seed in range(5)]
    picked, others = [runs[i] for i in chosen], [run for i, run in enumerate(runs) if i not in chosen]
    for pattern in (r"results/runs/({})/model\.pt", r"logs/train/({})\.log", "({})"):
        expression = pattern.format(one_of_runs(picked, others))
        places = [pattern.replace("\\", "").replace("({})", run) for run in runs]
        assert [run for run, place in zip(runs, places, strict=True) if re.fullmatch(expression, place)] == picked
        unknown = places[0].replace("s0", "s9")
        rest = pattern.format(one_of_runs(others, picked))
        assert bool(re.fullmatch(expression, unknown)) != bool(re.fullmatch(rest, unknown))  # one rule says so
        assert not re.fullmatch(expression, places[0].replace(runs[0], "a/b"))


def test_what_snakemake_reads_for_each_job_does_not_grow_with_the_runs():
    """Said run by run, it made a plan of 5,001 runs take four times as long (docs/performance.md)."""
    runs = [f"proxy-jla-s0-{number:010x}" for number in range(5001)]
    assert len(one_of_runs(runs)) + len(one_of_runs(runs, [])) + len(one_of_runs([], runs)) < 100
