import pytest
from tests.tracking.helpers import all_runs

from triplehead.analysis.claims.ledger import ledger, read_csv, write_csv
from triplehead.tracking.claims import log_claims
from triplehead.tracking.rebuild import rebuild


@pytest.fixture
def file(plan, tmp_path):
    """The ledger of an empty smoke study."""
    write_csv(ledger(plan, tmp_path / "results"), tmp_path / "results" / "claims.csv")
    return tmp_path / "results" / "claims.csv"


def state(uri) -> list:
    return [(run.info.run_id, run.info.run_name, run.info.status, run.data.to_dictionary()) for run in all_runs(uri)]


def test_a_run_per_claim_with_its_verdict_as_a_tag(uri, plan, file):
    log_claims(uri, plan, read_csv(file), file)
    runs = all_runs(uri)[::-1]  # as the UI lists them
    assert [run.info.run_name.split(" ", 1)[1] for run in runs] == [claim.title for claim in plan.claims.claims]
    marks = {"supported": "✓", "contradicted": "✗", "not measured at this scale": "–"}
    assert all(run.info.run_name[0] == marks[run.data.tags["verdict"]] for run in runs)
    assert {run.info.status for run in runs} == {"FINISHED"}
    by_id = {run.data.tags["triplehead.claim"]: run.data for run in runs}
    assert by_id["jla-gain"].tags["verdict"] == "not measured at this scale"
    assert by_id["jla-gain"].metrics == {"published": 4.5, "region": 0.2, "n": 0}
    assert by_id["parameters-exact"].tags["verdict"] == "supported"
    assert by_id["parameters-exact"].metrics["value"] == 34_614_307
    assert "has improved by about 4.5%" in by_id["jla-gain"].tags["mlflow.note.content"]


def test_a_second_call_changes_nothing_and_a_changed_verdict_one_run(uri, plan, file):
    frame = read_csv(file)
    log_claims(uri, plan, frame, file)
    before = state(uri)
    log_claims(uri, plan, frame, file)
    assert state(uri) == before
    frame.loc[0, ["verdict", "value"]] = ["supported", 4.4]
    log_claims(uri, plan, frame, file)
    after = {entry[0]: entry for entry in state(uri)}
    changed = [entry for entry in before if after[entry[0]] != entry]
    assert [entry[1] for entry in changed] == ["– JLA over the baseline"]
    assert after[changed[0][0]][1] == "✓ JLA over the baseline"
    frame.loc[0, "value"] = None
    log_claims(uri, plan, frame.iloc[:5], file)
    runs = all_runs(uri)
    assert len(runs) == 5
    assert all("value" not in run.data.metrics for run in runs)


def test_rebuilt_from_the_file(uri, plan, file, tmp_path):
    rebuild(uri, plan, tmp_path / "results", {})
    claims = [run for run in all_runs(uri) if "triplehead.claim" in run.data.tags]
    assert len(claims) == len(plan.claims.claims)
