"""docs/reliability.md is made of parts."""

import pytest
from tests.torture import page
from tests.torture.outcome import Outcome
from tests.torture.page import Page, read
from tests.torture.registry import FAULTS

from triplehead.errors import InputError

KILLS, DISK = "SIGKILL to the whole process tree of the smoke DAG", "full disk"


@pytest.fixture
def at(tmp_path, monkeypatch):
    """A page at a commit."""

    def open_page(commit: str) -> Page:
        monkeypatch.setattr(page, "commit", lambda: commit)
        monkeypatch.setattr(page, "machine", lambda: "2 cores")
        return Page(tmp_path / "reliability.md")

    return open_page


def test_parts_of_one_commit_add_up_and_survive_a_restart(at):
    at("aaa").add(Outcome(KILLS, 5, 5), 1, 60)
    part = at("aaa")
    part.add(Outcome(KILLS, 4, 0, ["it is\nlost"]), 2, 30)
    part.add(Outcome(DISK, 1, 1), 2, 6)
    again = at("aaa")
    row = again.rows[KILLS]
    assert (row.tried, row.survived, row.lost, row.minutes, row.seeds) == (9, 5, 4, "1.5", "1 2")
    assert again.tried(KILLS) == 9 and again.tried("results deleted") == 0
    text = again.path.read_text()
    assert f"- {KILLS}: it is lost\n" in text and f"- {KILLS}: 9 of 60\n" in text and f"- {DISK}: " not in text
    assert text.index(f"| {DISK} ") < text.index(f"| {KILLS} ")


def test_where_kills_came_adds_up(at):
    for part in ([0.0, 0.01, 0.2, 0.21], [0.0, 1.0, 0.99]):
        at("aaa").add(Outcome(KILLS, len(part), len(part), there=part), 1, 60)
    assert at("aaa").rows[KILLS].there == "2 2 1 0 0 2"


def test_another_commit_begins_anew(at):
    at("aaa").add(Outcome(KILLS, 5, 0, ["lost"]), 1, 60)
    other = at("bbb")
    assert other.tried(KILLS) == 0
    other.add(Outcome(KILLS, 2, 2), 3, 60)
    assert (other.rows[KILLS].tried, other.rows[KILLS].commit) == (2, "bbb") and "What was lost" not in (
        other.path.read_text()
    )


def test_what_was_skipped_is_no_row(at):
    at("aaa").add(Outcome(DISK, skipped="needs root"), 1, 1)
    assert not at("aaa").path.exists()


def test_the_page_of_the_repository_is_one_and_names_faults_that_there_are():
    rows = read((page.ROOT / "docs" / "reliability.md").read_text())
    assert rows and rows.keys() <= {fault.name for fault in FAULTS}


def test_another_page_is_refused():
    with pytest.raises(InputError, match="no row of an outcome"):
        read("| a | b |\n")
