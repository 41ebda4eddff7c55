"""The documents hang together: every link and picture in them leads somewhere, and every document is linked to."""

import re

import pytest
from tests.conftest import ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def targets(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    return [link for link in LINK.findall(text) if not link.startswith(("http://", "https://", "#"))]


def anchors(document):
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for link in targets(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve()
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_document_can_be_reached_from_the_readme():
    reached, new = set(), {ROOT / "README.md"}
    while new:
        reached |= new
        linked = {
            (document.parent / link.partition("#")[0]).resolve() for document in new for link in targets(document)
        }
        new = {path for path in linked if path.suffix == ".md"} - reached
    assert set(DOCUMENTS) <= reached, sorted(path.name for path in set(DOCUMENTS) - reached)
