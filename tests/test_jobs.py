"""What Snakemake's rules declare."""

import re
from types import SimpleNamespace

from triplehead.jobs import declared, one_of


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
