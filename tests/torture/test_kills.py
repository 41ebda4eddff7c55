"""The harness: what it counts as struck, and what it does with a process that goes on."""

import random
import signal
import subprocess
import sys
import time

import pytest
from tests.torture import kills, project
from tests.torture.outcome import Outcome

READY = "print('ready', flush=True); import time; time.sleep(60)"


@pytest.fixture
def start():
    started = []

    def starting(code: str, **options) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True, **options
        )
        started.append(process)
        process.stdout.readline()
        return process

    yield starting
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_that_goes_on_is_told_of_and_killed(start, monkeypatch):
    monkeypatch.setattr(project, "END", 1)
    deaf = start(f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}")
    with pytest.raises(project.NoEnd, match="SIGTERM did not end Snakemake within 1 s"):
        project.terminated(deaf)
    assert deaf.poll() is not None


@pytest.mark.parametrize("strike", [project.terminated, project.interrupted, project.tree_killed])
def test_what_was_struck_counts(start, strike):
    assert strike(start(READY, preexec_fn=project._heeding))


def test_a_study_that_ended_well_was_not_struck(start):
    calm = start(f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); {READY}")
    assert not project.terminated(calm)


def test_ctrl_c_is_heeded_though_the_harness_ignores_it(start):
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert project.interrupted(start(READY, preexec_fn=project._heeding))
    finally:
        signal.signal(signal.SIGINT, usual)


def test_every_kill_of_a_pool_is_done_though_studies_end_early(monkeypatch):
    """A study that ends before its moment leaves its strikes to the next; one that loses without a strike counts."""
    rows = []

    def ends_early(study, strikes, rng):
        rows.append(len(strikes))
        done = strikes[: len(rows) % 3]
        return [Outcome(name, done.count(name), 0, ["lost"]) for name in dict.fromkeys(done)]

    monkeypatch.setattr(kills, "struck", ends_early)
    pool = [name for name in kills.STRIKES for _ in range(15)]
    found = [each for study in kills.killed(None, pool, random.Random(3), (2, 5)) for each in study]
    assert {name: sum(each.tried for each in found if each.fault == name) for name in kills.STRIKES} == dict.fromkeys(
        kills.STRIKES, 15
    )
    assert set(rows[:-3]) == {2, 3, 4, 5}


def test_a_job_is_killed_and_its_snakemake_left_alone(start, tmp_path):
    (tmp_path / "triplehead").write_text("import time; time.sleep(60)")
    job = f"import subprocess, sys; subprocess.Popen([sys.executable, {str(tmp_path / 'triplehead')!r}])"
    process = start(f"{job}; {READY}")
    assert project.job_killed(process) and process.poll() is None
    deadline = time.monotonic() + 30
    while [each for each in project.jobs(process) if each.status() != "zombie"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_where_no_job_is_at_work_none_is_killed(start):
    assert not project.job_killed(start("print('ready', flush=True)"))
