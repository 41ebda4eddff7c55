import pytest
from tests.tracking.helpers import all_runs, histories, make_frame

from triplehead.plan.plan import load_plan
from triplehead.tracking.names import exhibit_experiment, exhibit_scale
from triplehead.tracking.tables import log_exhibit

TABLES = ("table3", "table4", "table5")


def test_an_experiment_speaks_of_what_its_table_has(plan):
    notes = {key: exhibit_experiment(key, plan.exhibits[key], exhibit_scale(plan, key)).note for key in TABLES}
    assert "its seeds nested below" in notes["table5"] and "`mean/AP`" in notes["table5"]
    for key, metric in (("table3", "`mean/FPS`"), ("table4", "`mean/parameters`")):
        assert metric in notes[key] and "seed" not in notes[key] and "mean/AP" not in notes[key]
    assert "at scale paper" not in notes["table4"]


@pytest.fixture
def files(tmp_path):
    for name in ("table5.csv", "table5.tex"):
        (tmp_path / name).write_text(name)
    return [tmp_path / "table5.csv", tmp_path / "table5.tex"]


def snapshot(uri):
    return {
        run.info.run_id: (
            run.info.run_name,
            run.info.status,
            run.data.to_dictionary(),
            histories(uri, run.info.run_id),
        )
        for run in all_runs(uri)
    }


def test_rows_stand_in_the_papers_order_with_measured_beside_published(uri, plan, files, tmp_path):
    log_exhibit(uri, plan, "table5", make_frame(plan), files)
    latest_first = all_runs(uri)[::-1]
    labels = [row.label for row in plan.exhibits["table5"].rows]
    assert [run.info.run_name for run in latest_first] == [f"{i} {label}" for i, label in enumerate(labels, 1)]
    assert all(run.info.status == "FINISHED" for run in latest_first)
    jla = latest_first[labels.index("JLA")]
    assert jla.data.metrics["mean/AP"] == 32.25
    assert jla.data.metrics["uncertainty/AP_std"] == 0.5
    assert jla.data.metrics["published/AP"] == 38.0
    assert not any("difference" in name for name in jla.data.metrics)  # of different data
    assert jla.data.metrics["n"] == 3
    assert jla.data.params == {"Baseline": "true", "JLA": "true"}
    assert jla.data.tags["run_ids"] == ";".join(plan.run_ids("table5", "JLA"))
    assert jla.data.tags["scale"] == "smoke"
    assert "- AP: 32.25 measured at scale smoke (n = 3), 38 published" in jla.data.tags["mlflow.note.content"]
    fcos = latest_first[0]
    assert "uncertainty/AP_std" not in fcos.data.metrics
    assert "published/AP50" not in fcos.data.metrics and "mean/AP50" in fcos.data.metrics
    kept = sorted(tmp_path.glob("results/mlartifacts/table5-smoke/*/artifacts/*"))
    assert len(kept) == 2 * len(labels)


def test_what_a_trial_has_otherwise_stands_in_its_rows(uri, files):
    plan = load_plan({"scale": "smoke", "seeds": 3, "batch_size": 2})
    log_exhibit(uri, plan, "table5", make_frame(plan).assign(conditions=plan.conditions), files)
    (row,) = [run for run in all_runs(uri) if run.info.run_name.endswith(" JLA")]
    assert row.data.tags["conditions"] == "batch_size=2"
    assert "- AP: 32.25 measured at scale smoke (batch_size=2) (n = 3)" in row.data.tags["mlflow.note.content"]


def test_speed_is_logged_with_its_repeats(uri, plan, files):
    log_exhibit(uri, plan, "table3", make_frame(plan, "table3"), files)
    ours, faster, fcos = all_runs(uri)
    assert [run.info.run_name for run in (fcos, faster, ours)] == ["1 FCOS", "2 Faster R-CNN", "3 Ours"]
    assert (ours.data.metrics["mean/FPS"], ours.data.metrics["published/FPS"]) == (32.25, 10.1)
    assert {"mean/FPS_model", "mean/FPS_ratio", "uncertainty/FPS_ratio_std"} <= set(ours.data.metrics)
    assert "published/FPS_ratio" not in ours.data.metrics


def test_a_second_call_changes_nothing(uri, plan, files):
    log_exhibit(uri, plan, "table5", make_frame(plan), files)
    before = snapshot(uri)
    log_exhibit(uri, plan, "table5", make_frame(plan), files)
    assert snapshot(uri) == before


def test_of_new_numbers_the_old_ones_are_not_kept(uri, plan, files):
    log_exhibit(uri, plan, "table5", make_frame(plan), files)
    before = [run.info.run_name for run in all_runs(uri)]
    log_exhibit(uri, plan, "table5", make_frame(plan, ap=31.0), files)
    assert [run.info.run_name for run in all_runs(uri)] == before
    last = all_runs(uri)[-1]
    assert histories(uri, last.info.run_id)["mean/AP"] == [(0, 31.0)]


def test_a_number_that_is_gone_does_not_linger(uri, plan, files):
    log_exhibit(uri, plan, "table5", make_frame(plan), files)
    frame = make_frame(plan)
    frame["std"] = None
    frame = frame[frame["row"] < 5]
    log_exhibit(uri, plan, "table5", frame, files)
    latest_first = all_runs(uri)[::-1]
    assert [run.info.run_name[0] for run in latest_first] == ["1", "2", "3", "4", "5"]
    assert not any("uncertainty/AP_std" in run.data.metrics for run in latest_first)


def test_a_table_of_another_scale_is_another_experiment(uri, plan, files):
    log_exhibit(uri, plan, "table5", make_frame(plan), files)
    log_exhibit(uri, plan, "table5", make_frame(plan).assign(scale="proxy"), files)
    assert len(all_runs(uri)) == 2 * len(plan.exhibits["table5"].rows)
    assert len({run.info.experiment_id for run in all_runs(uri)}) == 2


def test_cells_may_be_empty_in_any_of_pandas_ways(uri, plan, files):
    frame = make_frame(plan)
    frame["n"] = frame["n"].astype("Int64")
    frame["mean"] = frame["mean"].astype("Float64")
    frame.loc[frame["row"] == 0, ["mean", "std", "n", "difference"]] = None
    log_exhibit(uri, plan, "table5", frame, files)
    first = all_runs(uri)[-1]
    assert first.data.metrics == {"published/AP": 37.0}
    assert "- AP: not measured, 37 published" in first.data.tags["mlflow.note.content"]


def test_a_store_that_fails_is_a_warning(tmp_path, plan, files, capsys):
    log_exhibit(f"sqlite:///{tmp_path}/none.db", plan, "table5", make_frame(plan), files)
    assert capsys.readouterr().err.startswith("warning: MLflow (sqlite:///")
