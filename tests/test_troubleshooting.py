"""docs/troubleshooting.md quotes what the code says: every fixed part of a message stands in one text of src/."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

GAP = "\0"  # where a text says something that depends
PAGE = Path("docs/troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = [
    (quote, "Snakemake:" in cell)
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| it says", "| **"))
    for cell in [line.split(" | ")[0]]
    for quote in re.findall(r"`([^`]+)`", re.sub(r" at `\w+`$", "", cell))
]


def texts(file: Path) -> list[str]:
    """The texts of a Python file but docstrings: f-strings with GAP for what is filled in, parts joined by + apart."""
    found, tree = [], ast.parse(file.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            found.append("".join(p.value if isinstance(p, ast.Constant) else GAP for p in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.fixture(scope="module")
def said() -> list[str]:
    return [text for file in Path("src/triplehead").rglob("*.py") for text in texts(file)]


def fixed(quote: str) -> list[str]:
    """What is the same each time: the words between the dots, without what ends at a bracket."""
    return [part.strip(" ,;:()") for part in quote.split("...") if part.strip(" ,;:()")]


def in_order(parts: list[str], text: str) -> bool:
    at = 0
    for part in parts:
        at = text.find(part, at) + len(part)
        if at < len(part):
            return False
    return True


@pytest.mark.parametrize(("quote", "of_snakemake"), MESSAGES)
def test_what_is_quoted_is_said(quote, of_snakemake, said):
    if of_snakemake:
        said = texts(Path(find_spec("snakemake").origin).parent / "exceptions.py")
    assert fixed(quote) and any(in_order(fixed(quote), text) for text in said), quote


def test_the_page_has_messages_and_names_commands_that_there_are():
    assert len(MESSAGES) > 60
    known = re.findall(r"^## (triplehead [a-z0-9 ]+)$", Path("docs/commands.md").read_text(), re.M)
    for call in re.findall(r"`(triplehead [^`]+)`", PAGE):
        assert any(call.startswith(name) for name in known), call
