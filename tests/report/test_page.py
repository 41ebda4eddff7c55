"""The HTML page: the report's content, with nothing outside it."""

import re
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest

from triplehead.analysis.claims.ledger import read_csv as read_ledger
from triplehead.analysis.claims.verdict import NOT_MEASURED
from triplehead.analysis.layout import table_layout
from triplehead.analysis.printing import number
from triplehead.analysis.tables import read_csv
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.report.build import TEMPLATE, build_report
from triplehead.report.claims import HEADLINES, claims_content
from triplehead.report.page import PAGE, page

LINKS = {"src", "href", "srcset", "poster", "data", "action", "background", "content", "style", "xlink:href"}


class Reader(HTMLParser):
    """What the page refers to, its ids, and the cells of its tables by the table's id."""

    def __init__(self):
        super().__init__()
        self.references, self.ids, self.tags, self.cells, self.inside, self.cell = [], [], set(), {}, None, None

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        given = dict(attributes)
        self.references += [value for name, value in attributes if name in LINKS and tag != "meta"]
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "figure":
            self.inside = given.get("id")
        if tag in ("td", "th"):
            self.cell = ""
        if tag == "br" and self.cell is not None:
            self.cell += " "

    def handle_endtag(self, tag):
        if tag == "figure":
            self.inside = None
        if tag in ("td", "th") and self.cell is not None:
            self.cells.setdefault(self.inside, []).append(" ".join(self.cell.split()))
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data


@pytest.fixture(scope="module")
def built(fabricate_proxy, tmp_path_factory):
    plan, results = fabricate_proxy
    out = tmp_path_factory.mktemp("page") / "report.pdf"
    build_report(plan, results, out)
    return plan, results, out.with_suffix(".html")


def read(file):
    reader = Reader()
    reader.feed(file.read_text())
    return reader


def test_refers_to_nothing_outside_itself_and_runs_nothing(built):
    reader, text = read(built[-1]), built[-1].read_text()
    pictures = [value for value in reader.references if value.startswith("data:image/png;base64,")]
    anchors = [value.removeprefix("#") for value in reader.references if value.startswith("#")]
    assert len(pictures) == 8  # overview, comparison, three of the paper, three of ours
    assert sorted([*pictures, "data:,", *(f"#{name}" for name in anchors)]) == sorted(reader.references)
    assert anchors and set(anchors) <= set(reader.ids) and len(set(reader.ids)) == len(reader.ids)
    assert not reader.tags & {"script", "iframe", "object", "embed", "base", "form"}
    bare = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?://|url\(|@import|//[a-z]", bare)
    assert 'name="viewport"' in bare


def test_holds_every_cell_of_every_table(built):
    plan, results, file = built
    cells = read(file).cells
    for name in [name for name, exhibit in plan.exhibits.items() if exhibit.kind != "figure"]:
        layout, found = table_layout(plan, name, read_csv(results / f"{name}.csv")), list(cells[name])
        for line in layout.lines:
            for cell in line.cells:
                measured = number(cell.mean, cell.digits) or "–"
                measured += f" ± {number(cell.std, cell.digits)}" if cell.std is not None else ""
                for text in (number(cell.published, cell.digits) or "–", f"{measured} {cell.below}".strip()):
                    assert text in found, (name, line.label, text)
                    found.remove(text)  # as often as the table has it
    for row in plan.exhibits["table9"].rows:
        assert row.ticks["Method"] in " ".join(cells["table9"])


def test_each_metric_is_a_pair_of_columns_with_space_and_a_rule(built):
    plan, _, file = built
    text = file.read_text()
    tables = [exhibit for exhibit in plan.exhibits.values() if exhibit.kind == "scores" and not exhibit.transposed]
    assert text.count('<th colspan="2" class="pair"><span>') == sum(len(table.metrics) for table in tables) > 20
    cells = sum(len(table.metrics) * len(table.rows) for table in tables)
    assert text.count('<td class="n paper pair">') == cells
    for rule in (".pair { padding-left:", "th.pair span { display: block; padding-bottom: .2rem; border-bottom: 1px"):
        assert rule in text


def test_the_same_results_give_the_same_bytes(built, tmp_path):
    plan, results, file = built
    build_report(plan, results, tmp_path / "again.pdf")
    assert (tmp_path / "again.html").read_bytes() == file.read_bytes()


def test_says_scale_claims_and_captions(built):
    plan, _, file = built
    text = unescape(file.read_text())
    for claim in plan.claims.claims:
        assert claim.title in text
    for wanted in ("proxy", "What these numbers are not", "means over 2 seeds", "The paper against itself"):
        assert wanted in text


def test_what_all_verdicts_are_about_is_said_once_and_one_reason_heads_its_claims(built):
    _, results, file = built
    text, said = unescape(file.read_text()), "about the mechanism on small data, not about COCO's numbers"
    assert text.count(f"Verdicts on scores are {said}.") == 1 and text.lower().count(said.lower()) == 1
    heading = text.index('<p class="reason">The other row is only cited by the paper, not run.</p>')
    assert text[heading:].split("</ul>")[0].count("<li>") == 8 and "Not judged: the" not in text
    judged = (read_ledger(results / "claims.csv")["verdict"] != NOT_MEASURED).sum()
    assert text.count('<tr class="words"><td colspan="6">') == judged > 20


def test_a_claims_sentence_is_shorter_in_the_report_than_in_its_file(built, tmp_path):
    plan, results, _ = built
    few, about = (
        "Not judged: 2 of the 3 seeds that a verdict needs.",
        "About the mechanism on small data, not about COCO's",
    )
    ledger = pd.read_csv(results / "claims.csv", dtype=str, keep_default_na=False)
    assert (ledger["says"] == few).any()
    changed = ledger.replace({"says": {few: f"Undecided. {about} numbers; A is b here."}})
    changed.to_csv(tmp_path / "claims.csv", index=False)
    content = claims_content(plan, tmp_path)
    assert "Undecided. A is b here." in {line["says"] for line in content["lines"]}
    assert not any("mechanism" in line["says"] for line in content["lines"])


def test_the_first_page_shows_claims_that_there_are():
    assert set(HEADLINES) <= {claim.id for claim in load_plan({}).claims.claims}


def test_text_is_escaped_and_a_broken_or_missing_template_is_named(tmp_path):
    template = tmp_path / PAGE
    with pytest.raises(InputError, match=rf"{PAGE}: no such file"):
        page({}, tmp_path, template)
    template.write_text("{{ r.title }} {{ r.suite | code }}")
    assert page({"title": "<b> & more", "suite": "`a<b` c"}, tmp_path, template) == (
        "&lt;b&gt; &amp; more <code>a&lt;b</code> c"
    )
    template.write_text("{{ 'a.b_c<d-e' | breakable }}")
    assert page({}, tmp_path, template) == "a.<wbr>b_<wbr>c&lt;d-e"
    template.write_text("{{ r.title }}")
    with pytest.raises(InputError, match=rf"{PAGE}: does not compile.*title"):
        page({}, tmp_path, template)
    assert TEMPLATE.with_name(PAGE).is_file()
