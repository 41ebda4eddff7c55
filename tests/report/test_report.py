import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from triplehead.analysis.captions import data_phrase
from triplehead.analysis.printing import number
from triplehead.analysis.silence import effects
from triplehead.analysis.silence import write_csv as write_effects
from triplehead.analysis.silence_figure import write_figure
from triplehead.analysis.tables import read_csv, table_frame, write_csv
from triplehead.errors import InputError
from triplehead.plan.calibration import Calibration, kind_of
from triplehead.plan.cost import amount
from triplehead.plan.plan import load_plan
from triplehead.plan.schema import Step
from triplehead.report.build import TEMPLATE, build_report
from triplehead.report.content import provenance, report_content

EXPERIMENTS = Path("experiments").resolve()
WIDE_TABLE = """
kind: scores
title: "A wide table: 100 % of the metrics & more"
section: "4.4"
columns: [Method, Backbone]
metrics: [AP, AP50, AP75, APS, APM, APL]
rows:
  - label: cited
    group: Quoted group
    ticks: {Method: Cited_Net, Backbone: ResNet101}
    published: {AP: 12.3}
  - label: own
    group: Trained group
    ticks: {Method: Ours, Backbone: ResNet50}
    spec: {detector: fcos}
    published: {AP: 40.9}
"""


def text_of(pdf: Path) -> str:
    pages = PdfReader(io.BytesIO(pdf.read_bytes())).pages
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))


@pytest.fixture(scope="module")
def built(smoke, tmp_path_factory):
    plan, results = smoke
    out = tmp_path_factory.mktemp("built") / "report.pdf"
    build_report(plan, results, out)
    return plan, results, out


def test_says_scale_labels_sides_and_that_smoke_scores_mean_nothing(built):
    plan, _, out = built
    text = text_of(out)
    for row in plan.exhibits["table5"].rows:
        assert row.label in text
    for wanted in (
        "smoke",
        "paper",
        "measured",
        "Scores mean nothing here",
        "32,244,250",
        "not COCO 2017",
        "one seed",
    ):
        assert wanted in text
    for table in (1, 2, 3, 4, 5):
        assert f"Table {table}." in text
    for heading in ("Figure 4.", "Figure 5.", "Figure 6.", "Figure A.", "Figure D."):
        assert heading in text
    assert not re.search(r"standard deviation over \d+ seeds", text)  # one seed has none


@pytest.mark.parametrize("value", ['"x"', "[]", "true", "NaN", "1e400"])
def test_a_score_that_was_edited_is_named(smoke, tmp_path, value):
    plan, results = smoke
    shutil.copytree(results, tmp_path / "results", symlinks=True)
    run = next(iter(plan.runs))
    file = tmp_path / "results" / "runs" / run / "scores.json"
    file.write_text(re.sub(r'"AP": [\d.]+', f'"AP": {value}', file.read_text()))
    with pytest.raises(InputError, match=rf"{run}/scores\.json: AP: expected a number of 0\.\.100 or null"):
        provenance(plan, tmp_path / "results" / "runs")


def test_what_it_all_costs_is_said_by_whose_measure(built, tmp_path):
    plan, results, out = built
    assert re.search(
        r"By estimate, all runs together take [\d.]+ CPU-minutes \(by whole studies timed on", text_of(out)
    )
    calibrated = Path(shutil.copytree(results, tmp_path / "results"))
    fcos = plan.specs["table5", "FCOS"][0]
    steps = {kind_of(fcos): Step(batch_size=4, step=60.0, image=0.1, memory=None)}
    made_up = Calibration(device="gpu", hardware="A GPU", threads=1, repeats=10, environment={}, kinds=steps)
    (calibrated / "calibration.json").write_text(made_up.model_dump_json())
    same = sum(kind_of(run.spec) == kind_of(fcos) for run in plan.runs.values())
    total = amount(same * (30 * 60 + plan.scale.cost.run), "GPU-")
    build_report(plan, calibrated, tmp_path / "report.pdf")
    text = text_of(tmp_path / "report.pdf")
    assert f"{same} of {len(plan.runs)} runs (the others were not measured) together take {total} (by" in text


def test_speed_stands_beside_the_papers_with_machine_and_protocol(built):
    text = text_of(built[-1])
    for wanted in (
        "Inference speed",
        "12.6",
        "A made-up processor, 2 threads, float32",
        "over 5 repeats",
        "0.80 (Ours)",
    ):
        assert wanted in text
    assert "bars are one sample standard deviation" not in text  # repeats of a measurement are no seeds


def test_names_every_run_with_the_digest_of_its_scores(built):
    plan, results, out = built
    text = text_of(out)
    for run in plan.runs:
        digest = hashlib.sha256((results / "runs" / run / "scores.json").read_bytes()).hexdigest()[:10]
        assert run in text and digest in text


def test_the_list_of_runs_has_the_average_that_the_table_prints(built):
    plan, results, _ = built
    listed = {line["id"]: line["AP"] for line in provenance(plan, results / "runs")}
    averages = set()
    for name in ("table5", "table6", "table7"):
        frame = read_csv(results / f"{name}.csv")
        for cell in frame[(frame["metric"] == "AP") & (frame["n"] == 1)].to_dict("records"):
            assert listed[cell["run_ids"]] == number(cell["mean"]), (name, cell["label"])
        averages.add(plan.exhibits[name].average)
    assert averages == {None, "11point"}


def test_same_results_give_the_same_bytes(built, tmp_path):
    plan, results, out = built
    build_report(plan, results, tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == out.read_bytes()


def test_proxy_states_seeds_and_forbids_comparing_sizes(fabricate_proxy, tmp_path):
    plan, results = fabricate_proxy
    build_report(plan, results, tmp_path / "report.pdf")
    text = text_of(tmp_path / "report.pdf")
    assert "mean ± sample standard deviation over 2 seeds" in text
    assert "What these numbers are not" in text and "must not be compared in size" in text
    assert "mean nothing" not in text


def test_what_was_set_otherwise_than_the_scale_is_on_the_first_page(fabricate_proxy, tmp_path):
    plan, results = fabricate_proxy
    build_report(replace(plan, conditions="batch_size=2"), results, tmp_path / "report.pdf")
    assert "Set otherwise here: batch_size=2." in text_of(tmp_path / "report.pdf")
    assert "Set otherwise here: batch_size=2." in (tmp_path / "report.html").read_text()


def test_tables_declared_later_appear_without_change(fabricate, tmp_path, monkeypatch):
    shutil.copytree(EXPERIMENTS, tmp_path / "experiments")
    for name in ("table1", "table2", "claims", "audit", "silence"):
        (tmp_path / "experiments" / f"{name}.yaml").unlink()
    (tmp_path / "experiments" / "table9.yaml").write_text(WIDE_TABLE)
    template = TEMPLATE.resolve()
    monkeypatch.chdir(tmp_path)
    plan = load_plan({"scale": "smoke"})
    results = Path("results")
    fabricate(plan, results)
    write_csv(table_frame(plan, "table4", results / "runs"), results / "table4.csv")
    build_report(plan, results, Path("report.pdf"), template)
    text = text_of(Path("report.pdf"))
    for wanted in (
        "Table 9.",
        "Quoted group",
        "Cited_Net",
        "100 % of the metrics & more",
    ):
        assert wanted in text


def test_missing_table_or_run_file_is_named_and_nothing_is_left(smoke, tmp_path):
    plan, results = smoke
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    (copy / "table2.csv").rename(copy / "elsewhere.csv")
    with pytest.raises(InputError, match=r"table2\.csv: no such table"):
        build_report(plan, copy, tmp_path / "report.pdf")
    (copy / "elsewhere.csv").rename(copy / "table2.csv")
    (copy / "fig5.pdf").rename(copy / "elsewhere.pdf")
    with pytest.raises(InputError, match=r"fig5\.pdf: no such figure"):
        build_report(plan, copy, tmp_path / "report.pdf")
    (copy / "elsewhere.pdf").rename(copy / "fig5.pdf")
    run = next(iter(plan.runs))
    (copy / "runs" / run / "environment.json").unlink()
    with pytest.raises(InputError, match=rf"{run}/environment\.json: no such file"):
        build_report(plan, copy, tmp_path / "report.pdf")
    assert not list(tmp_path.glob("*.pdf")) and not list(tmp_path.glob("*.html")) and not list(tmp_path.glob(".*"))


def test_table_of_other_runs_is_refused(smoke, tmp_path):
    _, results = smoke
    with pytest.raises(InputError, match=r"table1\.csv: holds other rows or runs than scale proxy asks for"):
        build_report(load_plan({"scale": "proxy"}), results, tmp_path / "report.pdf")


def test_broken_template_is_named(smoke, tmp_path):
    plan, results = smoke
    template = tmp_path / "report.typ"
    template.write_text("#unknown-name\n")
    with pytest.raises(InputError, match=r"report\.typ: does not compile.*unknown variable"):
        build_report(plan, results, tmp_path / "report.pdf", template)


@pytest.mark.parametrize("scale", ["smoke", "proxy", "mini"])
def test_data_never_pass_for_the_papers(scale):
    assert "not" in data_phrase(load_plan({"scale": scale}), "table5")


def test_claims_stand_in_front_and_the_audit_behind(built):
    plan, _, out = built
    text = text_of(out)
    for claim in plan.claims.claims:
        assert claim.title in text
    assert text.index("What the paper claims") < text.index("What was run") < text.index("The paper against itself")
    assert "only counts of parameters can be judged" in text
    page = out.with_suffix(".html").read_text()
    assert "can be judged. Supported" in page
    unjudged = [claim.title for claim in plan.claims.claims if claim.quantity.kind != "parameters"]
    lists = re.findall(r'<ul class="unjudged">(.*?)</ul>', page, re.DOTALL)
    assert "".join(lists).count("<li>") == len(unjudged)  # a line each
    assert "40.3 − 37.0 = 3.3" in text and "the third convolution module was replaced" in text
    assert "What the silence costs" not in text  # that study was not run


def test_ledger_of_other_runs_is_refused(smoke, tmp_path):
    plan, results = smoke
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    ledger = copy / "claims.csv"
    text = ledger.read_text()
    ledger.write_text(text.replace(",smoke,", ",proxy,"))
    with pytest.raises(InputError, match=r"claims\.csv: is not of scale smoke and its runs"):
        build_report(plan, copy, tmp_path / "report.pdf")
    ledger.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match=r"claims\.csv: holds other claims than experiments/claims\.yaml"):
        build_report(plan, copy, tmp_path / "report.pdf")
    ledger.unlink()
    with pytest.raises(InputError, match=r"claims\.csv: no such ledger"):
        build_report(plan, copy, tmp_path / "report.pdf")


def test_files_that_no_job_made_so_are_named(fabricate_proxy, tmp_path):
    plan, made = fabricate_proxy
    results = Path(shutil.copytree(made, tmp_path / "results"))
    run = next(iter(plan.runs))
    (results / "table5.csv").write_text((results / "table5.csv").read_text().replace("0.", "9."))
    (results / "runs" / run / "model.pt").write_text("from elsewhere")
    named = dict(report_content(plan, results, {})["altered"])
    assert named.keys() == {"results/table4.csv", "results/table5.csv", f"results/runs/{run}/model.pt"}
    assert named["results/table5.csv"].startswith("is not what `all` made")
    assert named["results/table4.csv"].startswith("has no digest")


def test_the_open_choices_appear_where_they_were_run(smoke, tmp_path):
    plan, results = smoke
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    for index, run in enumerate(plan.extra_runs.values()):
        folder = copy / "runs" / run.id
        folder.mkdir()
        (folder / "scores.json").write_text(json.dumps({"AP": 30 + index / 10}))
    found = effects(plan, copy)
    write_effects(found, copy / "silence.csv")
    write_figure(plan, found, copy)
    build_report(plan, copy, tmp_path / "report.pdf")
    text = text_of(tmp_path / "report.pdf")
    assert "At the smoke scale no effect means anything." in text
    assert "What the silence costs" in text and "Figure S." in text and "scores mean nothing" in text
    file = copy / "silence.csv"
    file.write_text(file.read_text().replace("smoke-coco-triple", "proxy-coco-triple"))  # of other runs: left out
    build_report(plan, copy, tmp_path / "report.pdf")
    assert "What the silence costs" not in text_of(tmp_path / "report.pdf")
