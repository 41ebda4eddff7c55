"""What Snakemake says while it works."""

import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_triplehead import LogHandler, clock
from triplehead.jobs import name_runs
from triplehead.plan.plan import load_plan


@pytest.fixture
def say(capsys):
    """Hand records to the handler; the lines that it wrote."""

    def handler(**changed):
        settings = dict.fromkeys(("printshellcmds", "nocolor", "debug_dag", "verbose", "stdout", "dryrun"), False)
        settings |= {"quiet": set(), "show_failed_logs": True} | changed
        made = LogHandler(SimpleNamespace(**settings), None)

        def emit(text="", event=None, level=logging.INFO, **fields):
            made.emit(logging.makeLogRecord({"msg": text, "levelno": level, "event": event} | fields))
            return capsys.readouterr().err.splitlines()

        return emit

    return handler


def job(**fields):
    return {"rule_name": "train", "jobid": 3, "wildcards": {}} | fields


def test_a_job_is_a_line_at_its_begin_and_at_its_end(say):
    plan = load_plan({"scale": "smoke", "seeds": 1})
    name_runs(plan)
    run = plan.run_ids("table5", "FCOS")[0]
    exhibit, row = plan.runs[run].users[0]
    emit = say()
    assert emit(event=LogEvent.RUN_INFO, stats={"train": "11", "total": "11"}) == ["11 jobs: 11 train"]
    (begun,) = emit(event=LogEvent.JOB_INFO, **job(wildcards={"run": run}))
    assert begun.endswith(f"[ 0/11] begun  train {exhibit}: {row}, seed 0")
    (done,) = emit(event=LogEvent.JOB_FINISHED, job_id=3)
    assert done.endswith(f"[ 1/11] done   train {exhibit}: {row}, seed 0 (0:00)")
    assert emit("Select jobs to execute...") == []


def test_the_last_line_says_where_the_report_is(say):
    elapsed = ("Elapsed time: 0:03:00", None)
    emit = say()
    emit(event=LogEvent.JOB_INFO, **job(rule_name="report", output=["reports/report.pdf", "reports/report.html"]))
    assert len(emit(*elapsed)) == 1  # it failed, or was not asked for
    emit(event=LogEvent.JOB_FINISHED, job_id=3)
    assert emit(*elapsed) == ["Elapsed time: 0:03:00", "report: reports/report.pdf, reports/report.html"]


def test_a_failed_job_shows_the_end_of_its_log_and_where_it_lies(say, tmp_path):
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n" for number in range(50)) + "error: x.jpg: cannot be read\n")
    emit = say()
    emit(event=LogEvent.JOB_INFO, **job())
    lines = emit("failed", LogEvent.JOB_ERROR, logging.ERROR, **job(log=[str(log)]))
    assert "FAILED train" in lines[0] and lines[-1] == f"    whole log: {log}"
    assert lines[-2] == "    error: x.jpg: cannot be read" and len(lines) <= 22


def test_after_ctrl_c_jobs_end_and_do_not_fail(say, tmp_path):
    emit = say()
    emit(event=LogEvent.JOB_INFO, **job())
    assert emit("Terminating processes on user request, this might take some time.") == [
        "Stopping; the same command will go on from where it was."
    ]
    assert emit("RuleException:\nCalledProcessError", level=logging.ERROR) == []
    (line,) = emit("failed", LogEvent.JOB_ERROR, logging.ERROR, **job(log=[str(tmp_path / "x.log")]))
    assert line.endswith("ended  train")
    assert emit("WorkflowError:\nAt least one job did not complete successfully.", level=logging.ERROR) == []
    assert emit("Elapsed time: 0:03:00") == ["Elapsed time: 0:03:00"]


def test_errors_are_said_and_a_dry_run_is_snakemakes_own(say):
    assert any("no space" in line for line in say()("no space left", level=logging.ERROR))
    assert any("Select jobs" in line for line in say(dryrun=True)("Select jobs to execute..."))


def test_clock():
    assert [clock(seconds) for seconds in (0.4, 41.3, 3723)] == ["0:00", "0:41", "1:02:03"]
