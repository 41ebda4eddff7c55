"""Seeds below their rows: copies of what the files say of a training run, wherever it is used."""

import json
import shutil

import pytest
from tests.tracking.helpers import all_runs, histories, make_frame, make_records

from triplehead.engine.history import History
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan
from triplehead.tracking.store import open_store
from triplehead.tracking.tables import log_exhibit, write_exhibit

SCORES = {"AP": 100 / 3, "AP50": 50.5, "APL": None}


@pytest.fixture(scope="module")
def two_seeds():
    return load_plan({"scale": "smoke", "seeds": 2})


@pytest.fixture
def runs(two_seeds, tmp_path):
    """Both seeds of Table 5's JLA, one of its baseline."""
    folder = tmp_path / "runs"
    for run_id in [*two_seeds.run_ids("table5", "JLA"), two_seeds.run_ids("table5", "Baseline")[0]]:
        (folder / run_id).mkdir(parents=True)
        (folder / run_id / "scores.json").write_text(json.dumps(SCORES))
        history = History(30, {"records": make_records(30), "window": []})
        (folder / run_id / "history.csv").write_text(history.csv())
    return folder


def below(uri, row):
    """The children of the row of that name."""
    (parent,) = (run for run in all_runs(uri) if run.info.run_name == row)
    return [run for run in all_runs(uri) if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id][::-1]


def log(uri, plan, runs, exhibit="table5"):
    log_exhibit(uri, plan, exhibit, make_frame(plan, exhibit), [], runs)


def test_each_seed_has_the_scores_and_curves_of_its_files(uri, two_seeds, runs):
    log(uri, two_seeds, runs)
    seeds = below(uri, "3 JLA")
    assert [run.info.run_name for run in seeds] == ["seed 0 · JLA", "seed 1 · JLA"]  # as the UI lists them
    assert [run.data.tags["trained_as"] for run in seeds] == two_seeds.run_ids("table5", "JLA")
    assert [run.data.params for run in seeds] == [{"seed": "0"}, {"seed": "1"}]
    curves = histories(uri, seeds[0].info.run_id)
    assert curves["AP"] == [(30, 100 / 3)] and "APL" not in curves
    assert curves["loss_cls"] == [(record["iteration"], record["loss_cls"]) for record in make_records(30)]
    assert all(run.info.status == "FINISHED" for run in seeds)
    assert len(below(uri, "2 Baseline")) == 1 and not below(uri, "1 FCOS")  # not there yet


def test_a_run_that_others_use_too_names_them_on_row_and_seed(uri, two_seeds, runs):
    log(uri, two_seeds, runs)
    (row,) = (run for run in all_runs(uri) if run.info.run_name == "3 JLA")
    for run in (row, *below(uri, "3 JLA")):
        assert "Table 1: K = 35" in run.data.tags["also_in"].split("; ")
        assert "Figure 5: JLA" in run.data.tags["also_in"].split("; ")
        assert "Table 5: JLA" not in run.data.tags["also_in"]
    log(uri, two_seeds, runs, "table1")
    assert {run.data.tags["trained_as"] for run in below(uri, "3 K = 35")} == set(two_seeds.run_ids("table5", "JLA"))


def test_a_second_call_changes_nothing_and_new_scores_replace_the_old(uri, two_seeds, runs):
    log(uri, two_seeds, runs)
    before = {run.info.run_id: run.data.to_dictionary() for run in all_runs(uri)}
    log(uri, two_seeds, runs)
    assert {run.info.run_id: run.data.to_dictionary() for run in all_runs(uri)} == before
    first, second = two_seeds.run_ids("table5", "JLA")
    (runs / first / "scores.json").write_text(json.dumps({"AP": 40.0}))
    shutil.rmtree(runs / second)
    log(uri, two_seeds, runs)
    (seed,) = below(uri, "3 JLA")
    assert seed.data.metrics["AP"] == 40.0 and "AP50" not in seed.data.metrics


def test_a_row_that_is_made_anew_takes_its_seeds_along(uri, two_seeds, runs):
    log(uri, two_seeds, runs)
    count = len(all_runs(uri))
    frame = make_frame(two_seeds)
    frame["std"] = None  # a metric less: MLflow cannot take it back
    log_exhibit(uri, two_seeds, "table5", frame, [], runs)
    parents = {run.info.run_id for run in all_runs(uri)}
    assert len(all_runs(uri)) == count and len(below(uri, "3 JLA")) == 2
    assert {run.data.tags["mlflow.parentRunId"] for run in all_runs(uri) if "trained_as" in run.data.tags} <= parents


def test_a_broken_file_is_named(uri, two_seeds, runs):
    (runs / two_seeds.run_ids("table5", "JLA")[0] / "scores.json").write_text("{")
    with pytest.raises(InputError, match=r"scores\.json: cannot be read as JSON"):
        write_exhibit(open_store(uri), two_seeds, "table5", make_frame(two_seeds), [], runs)
