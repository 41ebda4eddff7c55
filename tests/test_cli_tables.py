"""Tables of the terminal: at 80 columns no line is longer, and nothing is cut or lost."""

import re
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from triplehead.cli.app import commands
from triplehead.cli.tables import Column, show

COLUMNS = [
    Column("claim"), Column("published", number=True), Column("measured", number=True),
    Column("95% interval", number=True, below=True), Column("over", below=True), Column("n", number=True),
    Column("verdict"),
]  # fmt: skip
ROWS = [
    ("Triple head over BorderDet and DyHead, AP75 [dim](4.4)[/]", "34,614,307", "+34,614,307.25", "\\[−12.34, +12.34]",
     "seeds and images", "3", "[green]too few seeds[/]"),
    ("JLA", "4.5", "", "", "", "", "contradicted"),
]  # fmt: skip


def shown(width: int, columns=COLUMNS, rows=ROWS) -> str:
    console = Console(width=width, file=StringIO())
    show(console, columns, rows, title="What the paper claims")
    return console.file.getvalue()


def words(text: str) -> str:
    """What is said, without the lines of the table and without spaces."""
    return re.sub(r"[^\w%+−.,;:()\[\]]", "", text)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_width_cuts_or_loses_anything(width):
    found = shown(width)
    assert max(map(len, found.splitlines())) <= width
    assert "…" not in found
    if width >= 80:  # narrower, a word may go on in the next line
        assert all(text in found for text in ("34,614,307", "+34,614,307.25", "−12.34", "contradicted", "images"))
    assert sorted(words(found)) == sorted(words(shown(300)))


def test_columns_stand_side_by_side_where_there_is_room_and_below_each_other_where_not():
    wide, narrow = shown(200).splitlines(), shown(80).splitlines()
    assert any("measured" in line and "95% interval" in line and "over" in line for line in wide)
    assert not any("measured" in line and "95% interval" in line for line in narrow)
    at = next(number for number, line in enumerate(narrow) if "+34,614,307.25" in line)
    assert "[−12.34, +12.34]" in narrow[at + 1] and "seeds and images" in narrow[at + 2]


def test_what_is_whole_is_not_broken():
    run = "proxy-visdrone-faster_rcnn-s0-dbe0bce0af"
    columns = [Column("run", whole=True), Column("used by", below=True), Column("s", number=True)]
    found = shown(60, columns, [(run, "table7: Faster R-CNN, " * 5, "109")])
    assert run in found and "109" in found


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("plan", "--scale", "paper"),
        ("plan", "--power"),
        ("status",),
        ("claims",),
        ("audit",),
        ("verify",),
        ("params",),
        ("data", "check", "-c", "scale=paper", "-c", "data_root={tmp}"),
    ],
    ids=" ".join,
)
def test_the_tables_of_the_commands_fit_80_columns(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    call = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    output = CliRunner().invoke(commands(), call).output
    table = [line for line in output.splitlines() if line[:1] in set("┏┃┡│├└")]
    assert len(table) > 5, output
    assert max(map(len, table)) <= 80 and "…" not in output


@pytest.mark.parametrize("command", [("claims", "jla-gain", "-c", "scale=smoke"), ("audit", "theta-rule")])
def test_one_in_full_is_aligned(command):
    said = CliRunner().invoke(commands(), command).output
    starts = re.findall(r"^(?:[a-z_]+:) +", said, re.MULTILINE)
    assert len(starts) > 5 and len(set(map(len, starts))) == 1
