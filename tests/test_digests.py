"""A result that was edited by hand, or is gone, is named; one that is whole is not."""

import json

import pytest

from triplehead.digests import altered, asked_of, demand, gone, made_by, record, unaltered
from triplehead.errors import InputError
from triplehead.paths import REPLICATES, RUN_FILES
from triplehead.plan.plan import load_plan


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("table5.csv", "table5.tex"):
        (folder / name).write_text("AP,37.0\n")
    record("table/table5", [folder / "table5.csv", folder / "table5.tex"], folder)
    return folder


def test_whole_and_edited(results):
    assert altered(results) == ([], 2)
    (results / "table5.csv").write_text("AP,47.0\n")
    found, known = altered(results)
    assert known == 2 and [each.file for each in found] == ["results/table5.csv"]
    assert found[0].problem.startswith("is not what `table/table5` made")
    record("table/table5", [results / "table5.csv", results / "table5.tex"], results)  # made anew
    assert altered(results) == ([], 2)


def test_what_no_job_is_known_to_have_made(results):
    plan = load_plan({"scale": "smoke"})
    run = results / "runs" / next(iter(plan.runs))
    run.mkdir(parents=True)
    (run / "model.pt").write_text("half a run has no digests")
    (results / "mine.csv").write_text("the user's own")
    assert altered(results, made_by(plan, results)) == ([], 2)
    (results / "digests" / "table" / "table5.json").unlink()
    (run / "scores.json").write_text("{}")
    found, known = altered(results, made_by(plan, results))
    names = [f"results/runs/{run.name}/{name}" for name in ("model.pt", "scores.json")]
    assert known == 0 and [each.file for each in found] == [*names, "results/table5.csv", "results/table5.tex"]
    assert found[-1].problem.startswith("has no digest below results/digests/")


def test_a_report_that_no_job_is_known_to_have_made(results):
    plan, page = load_plan({"scale": "smoke"}), results.parent / "reports" / "report.html"
    page.parent.mkdir()
    page.write_text("AP 37.0")
    record("report", [page], results)
    assert altered(results, made_by(plan, results)) == ([], 3)
    page.write_text("AP 47.0")
    (results / "digests" / "report.json").unlink()
    found, _ = altered(results, made_by(plan, results))
    assert [each.file for each in found] == ["reports/report.html"] and "has no digest" in found[0].problem


def test_what_came_back_from_the_server_is_one_of_them(results):
    plan = load_plan({"scale": "smoke"})
    run = results / "runs" / next(iter(plan.runs))
    run.mkdir(parents=True)
    for name in ("scores.json", "testdev.json"):
        (run / name).write_text("{}")
    record(f"testdev/{run.name}", [run / "testdev.json"], results)
    assert not any(each.file.endswith("testdev.json") for each in altered(results, made_by(plan, results))[0])
    (run / "testdev.json").write_text('{"AP": 99}')
    assert any(each.file.endswith("testdev.json") for each in altered(results, made_by(plan, results))[0])


def test_what_is_gone_is_named_where_it_is_asked_for(results):
    (results / "table5.csv").unlink()
    assert altered(results) == ([], 1)  # nobody's, now
    plan = load_plan({"scale": "smoke"})
    backbone = results / "pretrained" / f"{next(iter(plan.pretrained))}.pt"  # nothing misses it
    backbone.parent.mkdir()
    backbone.write_text("1")
    record(f"pretrain/{backbone.stem}", [backbone], results)
    backbone.unlink()
    found, known = altered(results, made_by(plan, results), asked_of(plan, results))
    assert known == 1 and [each.file for each in found] == ["results/table5.csv"]
    assert found[0].problem == "is gone since `table/table5` made it; the rule reproduce_all makes it anew"


def test_files_of_a_finished_training_that_are_gone(results):
    plan = load_plan({"scale": "smoke"})
    first, second, *_ = plan.runs
    for run in (first, second):
        (results / "runs" / run).mkdir(parents=True)
        for name in (*RUN_FILES, REPLICATES):
            (results / "runs" / run / name).write_text(run)
    record(f"train/{first}", (results / "runs" / first).iterdir(), results)
    assert list(gone(plan.runs, results)) == []
    for run in (first, second):  # the second was never recorded: it is at work, or of another machine
        (results / "runs" / run / "history.csv").unlink()
    assert list(gone(plan.runs, results)) == [str(results / "runs" / first / "history.csv")]


@pytest.mark.parametrize("place", ["scratch", "unlogged"])
def test_files_of_a_training_that_was_begun_anew_and_killed(results, place):
    """Its table is there: nothing else would ask for them."""
    plan = load_plan({"scale": "smoke"})
    run = next(iter(plan.runs))
    (results / place / run).mkdir(parents=True)
    assert list(gone(plan.runs, results)) == [str(results / "runs" / run / name) for name in RUN_FILES]


def test_the_first_altered_file_is_named_whichever_job_made_it(results):
    for name in ("table5.csv", "claims.csv", "fig4.pdf"):
        (results / name).write_text("1")
    record("table/table5", [results / "table5.csv"], results)
    record("claims", [results / "claims.csv"], results)
    files = [results / name for name in ("table5.csv", "claims.csv", "fig4.pdf", "none.csv")]
    unaltered(files, results)
    (results / "fig4.pdf").write_text("2")  # of no job that is known
    unaltered(files, results)
    (results / "claims.csv").write_text("2")
    with pytest.raises(InputError, match=r"claims\.csv: is not what `claims` made: edited or damaged since; delete it"):
        unaltered(files, results)
    unaltered(files[:1], results)


def test_nothing_is_made_of_what_was_altered(results):
    run = results / "runs" / "x"
    run.mkdir(parents=True)
    for name in ("history.csv", "replicates.npz"):
        (run / name).write_text("1")
    record("train/x", [run / "history.csv"], results)
    record("resample/x", [run / "replicates.npz"], results)
    files = [run / "history.csv", run / "replicates.npz", run / "testdev.json", results / "table5.csv"]
    demand(files, results)
    for file, job in (
        (run / "history.csv", "train/x"),
        (run / "replicates.npz", "resample/x"),
        (files[-1], "table/table5"),
    ):
        before = file.read_text()
        file.write_text("2")
        with pytest.raises(InputError, match=f"{file.name}: is not what `{job}` made"):
            demand(files, results)
        file.write_text(before)


def test_lists_that_cannot_be_read_are_named(results, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).endswith("digests"))
    with pytest.raises(InputError, match="digests: cannot be read"):
        altered(results)


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"a": 1}), '{"a": '])
def test_a_broken_list_is_one_line(results, content):
    (results / "digests" / "table" / "table5.json").write_text(content)
    with pytest.raises(InputError, match=r"table5\.json: .*delete it"):
        altered(results)
