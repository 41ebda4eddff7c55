"""The finished study as one run."""

import pytest
from tests.tracking.helpers import only_run

from triplehead.tracking.report import log_report
from triplehead.tracking.store import open_store

FILES = ("overview.png", "fig4.pdf", "table5.csv", "table5.tex", "claims.csv", "stray.csv")


@pytest.fixture
def results(tmp_path):
    results = tmp_path / "results"
    for name in FILES:
        (results / name).write_text(name)
    (results / "claims.csv").write_text("claim,verdict\na,supported\nb,supported\nc,too few seeds\n")
    (tmp_path / "reports").mkdir()
    for name in ("report.pdf", "report.html"):
        (tmp_path / "reports" / name).write_text(name)
    return results


def artifacts(uri, run, folder=None):
    return [file.path for file in open_store(uri).client.list_artifacts(run.info.run_id, folder)]


def test_report_figures_and_tables_are_its_artifacts_and_the_verdicts_its_metrics(uri, plan, results):
    log_report(uri, plan, results)
    run = only_run(uri)
    assert (run.info.run_name, run.info.status) == ("Report", "FINISHED")
    assert artifacts(uri, run) == ["figures", "report.html", "report.pdf", "tables"]
    assert artifacts(uri, run, "figures") == ["figures/fig4.pdf", "figures/overview.png"]
    assert artifacts(uri, run, "tables") == ["tables/claims.csv", "tables/table5.csv", "tables/table5.tex"]
    assert run.data.metrics == {"claims supported": 2.0, "claims too few seeds": 1.0}


def test_a_second_call_goes_on_in_it_and_a_verdict_that_is_gone_does_not_linger(uri, plan, results):
    log_report(uri, plan, results)
    first = only_run(uri).info.run_id
    log_report(uri, plan, results)
    assert only_run(uri).info.run_id == first
    (results / "claims.csv").write_text("claim,verdict\na,supported\n")
    log_report(uri, plan, results)
    assert only_run(uri).data.metrics == {"claims supported": 1.0}


def test_without_a_report_there_is_no_run(uri, plan, results):
    log_report(uri, plan, results)
    for file in (results.parent / "reports").iterdir():
        file.unlink()
    log_report(uri, plan, results)
    assert not list(open_store(uri).runs(""))


def test_a_ledger_that_is_none_is_a_warning(uri, plan, results, capsys):
    (results / "claims.csv").write_text("something\nelse\n")
    log_report(uri, plan, results)
    assert "claims.csv: not a readable ledger" in capsys.readouterr().err
