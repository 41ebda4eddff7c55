"""The documents hang together: every link and picture in them leads somewhere, and every document is linked to."""

import re

import pytest
from tests.conftest import ROOT

from triplehead import paths

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SOURCE = re.compile(r"[\w./*<>-]*\w[*>]?\.(?:py|smk|ya?ml|md|sh|toml|typ|jinja)\b(?!/)")  # wherever it is named
MADE = re.compile(r"`([\w./*<>-]+\.(?:csv|json|npz|pt|pdf|png|tex|html|db|gz|txt)|[\w./*<>-]+/)`")  # and folders
PLACES = ("results/", "reports/", "logs/", ".snakemake/")  # of what commands make
IN_A_RUN = {*paths.RUN_FILES, paths.REPLICATES, paths.TESTDEV}
OF_THE_USER = ("coco/", "voc/", "visdrone/", "weights/", "DATA/", "DIR/", "my_experiments/")
IN_ONES_OWN_FOLDER = {
    "mine.py",
    "test_mine.py",
    "mine.yaml",
    "mine_figure.yaml",
    "claims.yaml",
    "claims_*.yaml",
    "parts/mine.py",
}  # fmt: skip  what docs/your-own.md has a reader write


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_option_of_snakemake_swallows_a_target(document):
    """--config and --resources take all words up to the next option."""
    for line in re.findall(r"\bsnakemake [^`\n#]+", document.read_text()):
        for taken in re.findall(r"--(?:config|resources|default-resources) +((?:(?!-)\S+ *)+)", line):
            assert all("=" in word for word in taken.split()), line


def named(document) -> set[str]:
    """Files and folders that a document names, but those that it links to and those in its examples."""
    text = LINK.sub("", re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL))
    text = re.sub(r"https?://\S+", "", text)
    return {*SOURCE.findall(text), *MADE.findall(text)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_is_named_by_its_path_from_the_root(document):
    known = IN_A_RUN | (IN_ONES_OWN_FOLDER if document.name == "your-own.md" else set())
    for name in named(document) - known:
        if name.startswith((*PLACES, *OF_THE_USER)):
            continue
        pattern = re.sub(r"<\w+>", "*", name)
        assert any(ROOT.glob(pattern)), f"{name}: no such file from the root"


def test_a_name_without_its_folder_is_found_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("See needs.py, `plan/guard.py`, `data/` and [a.md](b.md).\n```bash\nrun c.yaml\n```\n")
    assert named(page) == {"needs.py", "plan/guard.py", "data/"}
