"""A result that was edited by hand is named; one that is whole, or gone, is not."""

import json

import pytest

from triplehead.digests import altered, made_by, record
from triplehead.errors import InputError
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


def test_gone_is_made_anew_not_accused(results):
    (results / "table5.csv").unlink()
    assert altered(results) == ([], 1)


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"a": 1}), '{"a": '])
def test_a_broken_list_is_one_line(results, content):
    (results / "digests" / "table" / "table5.json").write_text(content)
    with pytest.raises(InputError, match=r"table5\.json: .*delete it"):
        altered(results)
