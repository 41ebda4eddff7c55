"""The harness sees a loss: every line of what must hold fails where it does not, and so does the study."""

import random
import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from tests.torture import checks, kills, project
from tests.torture.checks import SOURCES, State, differing, leftovers, lost, orphans

METRICS = (("loss", ((1, 0.5), (2, 0.4))),)
RUN = ("table5", "JLA", "FINISHED", METRICS, (("seed", "0"),), (("scores.json", "digest"),))
EXPECTED = State({"results/table5.csv": "one", "reports/report.pdf": "two"}, [RUN])


def run(**changes) -> tuple:
    names = ("experiment", "name", "status", "metrics", "params", "artifacts")
    return tuple((dict(zip(names, RUN, strict=True)) | changes).values())


@pytest.fixture
def look(monkeypatch, tmp_path):
    """What is said of a study that left `found`."""

    def call(found: State, timed: tuple[str, ...] = ()) -> list[str]:
        monkeypatch.setattr(checks, "state", lambda project: found)
        monkeypatch.setattr(checks, "leftovers", lambda folder: [])
        monkeypatch.setattr(checks, "orphans", lambda results: [])
        return lost(SimpleNamespace(folder=tmp_path), EXPECTED, timed)

    return call


def test_an_equal_study_lost_nothing(look):
    assert look(State(dict(EXPECTED.files), list(EXPECTED.logged))) == []


@pytest.mark.parametrize(
    ("files", "logged", "said"),
    [
        ({"results/table5.csv": "other"}, [RUN], "results/table5.csv differs"),
        ({"results/table6.csv": "more"}, [RUN], "results/table6.csv is left over"),
        ({"results/table5.csv": None}, [RUN], "results/table5.csv is missing"),
        ({}, [run(status="RUNNING")], "run JLA is RUNNING"),
        ({}, [run(metrics=(("loss", ((1, 0.5), (1, 0.5), (2, 0.4))),))], "JLA has steps of loss twice"),
        ({}, [run(metrics=(("loss", ((1, 0.5),)),))], "table5, JLA differs"),
        ({}, [run(params=())], "table5, JLA differs"),
        ({}, [run(artifacts=())], "table5, JLA differs"),
        ({}, [], "0 runs, expected 1"),
        ({}, [RUN, RUN], "2 runs, expected 1"),
    ],
)
def test_what_differs_is_named(look, files, logged, said):
    found = {name: digest for name, digest in (EXPECTED.files | files).items() if digest is not None}
    assert any(said in line for line in look(State(found, logged)))


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ([run(metrics=(("loss", ((1, 0.7), (2, 0.6))),), params=(("seed", "1"),))], []),
        ([run(artifacts=(("scores.json", "other"),))], []),
        ([run(status="RUNNING")], ["run JLA is RUNNING", "table5, JLA differs"]),
        ([run(metrics=(("loss", ((1, 0.5), (1, 0.5), (2, 0.4))),))], ["steps of loss twice", "table5, JLA differs"]),
        ([run(metrics=())], ["table5, JLA differs"]),
        ([run(params=())], ["table5, JLA differs"]),
        ([run(artifacts=())], ["table5, JLA differs"]),
        ([], ["0 runs, expected 1"]),
    ],
)
def test_where_times_differ_all_but_values_is_the_same(look, logged, said):
    files = EXPECTED.files | {"reports/report.pdf": "of other times"}
    found = look(State(files, logged), ("reports/",))
    assert len(found) == len(said) and all(words in line for words, line in zip(said, found, strict=True))


@pytest.mark.parametrize(
    "place",
    [
        "results/.table5.csv.1.tmp",
        "results/scratch/run/state.pt",
        "results/mlflow.db-journal",
        ".snakemake/locks/0.lock",
        "temporary/snakemakeabcdefgh/file",
        f"{SOURCES}/tmpabcdefgh/file",
    ],
)
def test_what_is_left_behind_is_named(tmp_path, place):
    (tmp_path / "results").mkdir()
    assert leftovers(tmp_path) == []
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("")
    assert len(leftovers(tmp_path)) == 1


def test_artifacts_of_no_run_are_named(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("create table runs (run_uuid text)")
        database.execute("insert into runs values (?)", ("a" * 32,))
    for name in ("a" * 32, "b" * 32):
        (tmp_path / "mlartifacts" / "table5" / name).mkdir(parents=True)
    (said,) = orphans(tmp_path)
    assert "b" * 32 in said


@pytest.fixture
def struck(tmp_path, monkeypatch):
    """What is counted of a study whose starts do so, each a piece of Python, and that then has lost `problems`."""

    def call(
        *starts: str,
        problems: tuple[str, ...] = (),
        at_first: tuple[str, ...] = (),
        strikes: tuple[str, ...] = (),
        **changes,
    ):
        left = list(starts)

        def start() -> subprocess.Popen:
            (tmp_path / "said.log").write_text("Error: locked")
            return subprocess.Popen([sys.executable, "-c", left.pop(0)], start_new_session=True)

        plain = {"folder": tmp_path, "start": start, "clean": lambda: None, "living": lambda: [], "times": ()}
        project = SimpleNamespace(**plain | changes)
        study = kills.Study.__new__(kills.Study)
        study.project, study.seconds, study.state = project, 1.0, EXPECTED
        monkeypatch.setattr(kills, "START", 0.2)
        monkeypatch.setattr(kills, "GRACE", 0.2)
        monkeypatch.setitem(kills.STRIKES, kills.JOB, lambda process: True)
        monkeypatch.setattr(kills, "lost", lambda project, state, timed=(): list(at_first if timed else problems))
        found = kills.struck(study, list(strikes) or [kills.TREE] * (len(starts) - 1), random.Random(0))
        assert not left
        return [(each.tried, each.survived, each.problems) for each in found]

    return call


WORK, WELL, BADLY = "import time; time.sleep(60)", "", "raise SystemExit(1)"


def test_a_struck_study_that_ends_well_survived(struck):
    assert struck(WORK, WORK, WELL) == [(2, 2, [])]


def test_a_struck_study_that_lost_something_lost_all_its_strikes(struck):
    assert struck(WORK, WORK, WELL, problems=("table5.csv differs",)) == [(2, 0, ["table5.csv differs"])]


@pytest.mark.parametrize("starts", [(WORK, BADLY), (WORK, BADLY, WELL)], ids=("the last", "one between strikes"))
def test_a_restart_that_fails_is_a_loss(struck, starts):
    ((tried, survived, problems),) = struck(*starts)
    assert (tried, survived) == (1, 0) and "ended with status 1: Error: locked" in problems[0]


@pytest.mark.parametrize(
    ("starts", "strikes", "waits"),
    [
        ((WORK, WELL), (kills.JOB, kills.TREE), (0.5, 0.5)),
        (("import time; time.sleep(1); raise SystemExit(1)", WORK, WELL), (kills.JOB, kills.TREE), (0.5, 30, 0.5)),
        (("import time; time.sleep(1); raise SystemExit(1)", WELL), (kills.JOB,), (0.5,)),
    ],
    ids=("struck as it goes on", "struck when started again", "struck no more"),
)
def test_a_study_that_loses_a_job_goes_on_until_it_is_struck_or_ends(struck, starts, strikes, waits, monkeypatch):
    left = iter(waits)
    monkeypatch.setattr(random.Random, "uniform", lambda *_: next(left))
    assert struck(*starts, strikes=strikes) == [(1, 1, [])] * len(strikes)
    assert not [*left]


def test_a_process_that_outlives_its_snakemake_is_a_loss(struck):
    orphan = psutil.Popen([sys.executable, "-c", WORK])
    try:
        ((tried, survived, problems),) = struck(WORK, WELL, living=lambda: [orphan])
    finally:
        orphan.kill()
        orphan.wait()
    assert (tried, survived) == (1, 0) and problems[0] == f"process {orphan.pid} outlived its Snakemake"


@pytest.mark.parametrize(
    ("at_first", "verified", "said"),
    [
        ((), 0, []),
        (("results/table5.csv differs",), 0, ["results/table5.csv differs"]),
        (("MLflow: run JLA is RUNNING",), 0, ["MLflow: run JLA is RUNNING"]),
        ((), 1, ["verify: the report is not what it was"]),
    ],
)
def test_what_holds_times_is_looked_at_before_it_is_made_anew(struck, at_first, verified, said):
    """Those of the undisturbed study are put back only then: a second ending must not mend what the first one lost."""
    done = subprocess.CompletedProcess([], verified, stdout="the report is not\nwhat it was", stderr="")
    found = struck(
        *(WORK, WELL, WELL)[: 2 if said else 3], at_first=at_first, strikes=(kills.TREE,), times=("results/speed",),
        timed=("reports/",), call=lambda *_: done, put_times_back=lambda: None,
    )  # fmt: skip
    assert found == [(1, 0 if said else 1, said)]


def test_what_holds_times_is_all_that_may_differ():
    timed = project.SmokeProject.timed
    may = ["results/speed/table3.json", "results/table3.csv", "results/claims.csv", "reports/report.html"]
    may += [f"results/digests/{name}.json" for name in ("speed/table3", "table/table3", "claims", "report")]
    must = ["results/table5.csv", "results/digests/table/table5.json", "results/fig4.pdf", "results/runs/a/scores.json"]
    assert differing(dict.fromkeys([*may, *must], "one"), dict.fromkeys([*may, *must], "two"), timed) == sorted(
        f"{name} differs" for name in must
    )
