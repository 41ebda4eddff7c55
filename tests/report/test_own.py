"""The user's experiments in tables, claims, figures and the report: beside the paper's, and never taken for them."""

import re
import shutil
from pathlib import Path

import pytest
from pypdf import PdfReader
from tests.helpers import only_own_tables

from triplehead.analysis.claims.ledger import ledger
from triplehead.analysis.latex import table_tex
from triplehead.analysis.tables import read_table, table_frame
from triplehead.cli.new import Part, new
from triplehead.plan.plan import load_plan
from triplehead.report.build import TEMPLATE, build_report
from triplehead.tracking.names import exhibit_title, planned_experiments, run_tags

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study(tmp_path_factory, fabricate):
    """(plan, its folder): Table 5, and an assigner of one's own with figure and claims; two made-up seeds."""
    place = tmp_path_factory.mktemp("own")
    shutil.copytree(ROOT / "experiments", place / "experiments")
    only_own_tables(place / "experiments", keep=("table5", "claims"))
    claims = (ROOT / "experiments" / "claims.yaml").read_text()
    first = claims[: claims.index("  - id:")] + next(
        f"  - id:{entry}" for entry in claims.split("  - id:")[1:] if "[table5, JLA]" in entry and "difference" in entry
    )
    (place / "experiments" / "claims.yaml").write_text(first)
    new(Part.assigner, "mine", place / "my experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        plan = load_plan({"scale": "proxy", "seeds": 3, "extra": "my experiments"})
        fabricate(plan, Path("results"))
    return plan, place


@pytest.fixture
def inside(study, monkeypatch):
    plan, place = study
    monkeypatch.chdir(place)
    return plan


def test_the_table_has_seeds_intervals_and_the_papers_numbers_in_their_own_column(inside):
    frame = read_table(inside, "mine", Path("results")).set_index(["label", "metric"])
    paper = read_table(inside, "table5", Path("results")).set_index(["label", "metric"])
    for label in ("JLA", "All"):
        for column in ("mean", "low", "high", "n", "published", "run_ids"):
            assert frame.loc[(label, "AP"), column] == paper.loc[(label, "AP"), column]
    own = frame.loc[("Mine", "AP")]
    assert own["n"] == 3 and own["low"] < own["mean"] < own["high"] and own["published"] != own["published"]
    tex = table_tex(inside, "mine", table_frame(inside, "mine", Path("results/runs")))
    assert r"\textit{The paper's Table 5}" in tex and r"\textit{Yours}" in tex
    assert tex.index("The paper's Table 5") < tex.index("All &") < tex.index("Yours") < tex.index("Mine &")
    assert "your own experiment, not the paper's" in tex and "section None" not in tex


def test_claims_are_judged_by_paired_differences(inside):
    found = {entry.claim: entry for entry in ledger(inside, Path("results"))}
    assert len(found) == 3 and list(found)[1:] == ["mine-gains", "mine-reaches-jla"]
    own = found["mine-reaches-jla"]
    assert (
        own.verdict in ("supported", "contradicted", "inconclusive") and own.n == 3 and own.low < own.value < own.high
    )
    frame = read_table(inside, "mine", Path("results")).set_index(["label", "metric"])
    assert own.value == pytest.approx(frame.loc[("Mine", "AP"), "mean"] - frame.loc[("JLA", "AP"), "mean"], abs=1e-3)


def test_the_report_keeps_them_in_a_section_of_their_own(inside, tmp_path):
    out = tmp_path / "report.pdf"
    build_report(inside, Path("results"), out, ROOT / TEMPLATE)
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(out).pages))
    before, _, after = text.partition("Nothing in this section is the paper’s")
    assert "Your experiments" in before[-40:] and after
    assert "Mine gains over JLA" in after and "Mine gains over JLA" not in before
    assert "Yours (mine)." in after and "Figure (mine_figure)." in after and "Figure (mine_figure)" not in before
    source = inside.specs["mine", "Mine"][0].detector.assigner.source
    assert source in after and "radius 1.5" in after and "mine.Mine" in after
    assert "claim of the paper" in before and str(Path.cwd()) not in text


def test_mlflow_calls_them_yours(inside):
    assert exhibit_title("mine") == "Yours: mine" and exhibit_title("mine2b") == "Yours: mine2b"
    assert exhibit_title("table5") == "Table 5" and exhibit_title("fig4") == "Figure 4"
    names = [experiment.name for experiment in planned_experiments(inside)]
    assert "Yours: mine · Mine beside the paper's components (proxy)" in names
    run = inside.specs["mine", "JLA"][0]
    tags = run_tags(run, inside.runs[run.id].users)
    assert tags["table5"] == "JLA" and tags["own.mine"] == "JLA" and "mine" not in tags
