"""docs/reference.md says what the tables beside it say."""

import csv

import pytest
from tests.conftest import ROOT

PAGE, TABLES = ROOT / "docs" / "reference.md", ROOT / "docs" / "reference" / "proxy-ten-seeds"


def rows(file: str) -> list[dict[str, str]]:
    with open(TABLES / file, encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content))


def score(row: dict[str, str]) -> str:
    """A row's AP as the page has it: row, mean with standard deviation, interval, the paper's number."""
    mean, std, low, high = (float(row[key]) for key in ("mean", "std", "low", "high"))
    published = f"{float(row['published']):.1f}" if row["published"] else ""
    return f"| {row['label']} | {mean:.1f} ± {std:.1f} | {low:.1f} to {high:.1f} | {published} |"


def verdict(row: dict[str, str]) -> str:
    """A claim as the page has it: title, published and measured value with interval, verdict."""
    measured = f"{float(row['value']):.3g}" if row["value"] else ""
    interval = f" ({float(row['low']):.3g} to {float(row['high']):.3g})" if row["low"] else ""
    published = f"{float(row['published']):.4g}" if row["published"] else ""
    return f"| {row['title']} | {published} | {measured}{interval} | {row['verdict']} |"


@pytest.mark.parametrize("table", [1, 2, 5, 6, 7, 8, 9])
def test_every_score_stands_on_the_page(table):
    found = [row for row in rows(f"table{table}.csv") if row["metric"] == "AP" and row["n"] != "0"]
    assert found and {(row["n"], row["scale"]) for row in found} == {("10", "proxy")}
    lines = PAGE.read_text().splitlines()
    for row in found:
        assert score(row) in lines


def test_every_verdict_stands_on_the_page():
    lines = PAGE.read_text().splitlines()
    for row in rows("claims.csv"):
        assert verdict(row) in lines
