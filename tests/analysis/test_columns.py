"""docs/columns.md lists the columns of the files that are written, in their order."""

import re
from pathlib import Path

import pytest

from triplehead.analysis import engines, silence, tables
from triplehead.analysis.claims import ledger

DOCUMENT = Path(__file__).parents[2] / "docs" / "columns.md"


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("table*", tables.COLUMNS),
        ("table*_engines", engines.COLUMNS),
        ("claims", ledger.COLUMNS),
        ("silence", silence.COLUMNS),
    ],
)
def test_every_column_is_described(file, columns):
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## results/{file}.csv")[1].split("## ")[0]
    lines = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert [name for line in lines for name in re.findall(r"`(\w+)`", line)] == list(columns)
