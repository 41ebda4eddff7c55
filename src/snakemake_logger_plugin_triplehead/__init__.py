"""What Snakemake says while it works here (`logger: triplehead` in profiles/default): a line for each job that begins
or ends. Dry runs, --verbose and .snakemake/log have everything, as Snakemake writes it."""

import logging
import sys
import time

import smart_open  # noqa: F401  before Snakemake makes its temporary folders, which a kill leaves (triplehead.temporary)
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from triplehead.jobs import label, last_lines

SILENT = {LogEvent.JOB_STARTED, LogEvent.SHELLCMD, LogEvent.RESOURCES_INFO, LogEvent.RULEGRAPH}
# Said without an event, at each step or each start, and of no use to who waits for a result.
CHATTER = (
    "Select jobs to execute", "Execute ", "Using workflow specific profile", "Assuming unrestricted shared",
    "Using shell:", "Building DAG of jobs", "Removing temporary output", "At least one job did not complete",
    "Touching output file", "Conda environments: ignored",
)  # fmt: skip
STOPPED = "Terminating processes on user request"  # Ctrl-C; that its jobs then fail is no news
LAST = "Elapsed time"  # of all that Snakemake says


class LogHandler(LogHandlerBase):
    """Lines such as `12:30:05 [ 7/191] done  train table5: JLA, seed 1 (0:41)`; a failed job's end with its log."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        self._plain = ColorizingTextHandler(nocolor=settings.nocolor, stream=stream)
        self._plain.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        self._plain.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self._whole = settings.dryrun or settings.verbose or settings.printshellcmds or settings.debug_dag
        self._jobs: dict[int, tuple[str, float]] = {}  # what runs: its name, when it began
        self._done, self._total = 0, 0
        self._reports: dict[int, list[str]] = {}  # of a job that makes the report: its files
        self._report: list[str] = []  # made
        self._stopped = False

    def emit(self, record: logging.LogRecord) -> None:
        """Say `record` in a line, leave it out, or let Snakemake's own handler say it."""
        try:
            lines = None if self._whole else self._lines(record)
        except Exception:  # a message that could not be read must not end the study
            lines = None
        if lines is None:
            self._plain.handle(record)
            return
        for line in lines:
            self._plain.stream.write(f"{line}\n")
        self._plain.stream.flush()

    def _lines(self, record: logging.LogRecord) -> list[str] | None:
        event, fields = getattr(record, "event", None), record.__dict__
        if event in SILENT:
            return []
        if event == LogEvent.RUN_INFO:
            counts = {rule: int(count) for rule, count in fields["stats"].items()}
            self._total = counts.pop("total", sum(counts.values()))
            return [f"{self._total} jobs: {', '.join(f'{count} {rule}' for rule, count in counts.items())}"]
        if event == LogEvent.JOB_INFO:
            name = f"{fields['rule_name']} {label(fields['wildcards'])}".rstrip()
            self._jobs[fields["jobid"]] = name, time.monotonic()
            if fields["rule_name"] == "report":
                self._reports[fields["jobid"]] = [str(file) for file in fields["output"]]
            return [self._line("begun", name)]
        if event == LogEvent.JOB_FINISHED:
            self._done += 1
            self._report = self._reports.pop(fields["job_id"], self._report)
            name, began = self._jobs.pop(fields["job_id"], (f"job {fields['job_id']}", time.monotonic()))
            return [self._line("done", f"{name} ({clock(time.monotonic() - began)})")]
        if event == LogEvent.PROGRESS:
            self._done, self._total = fields["done"], fields["total"]
            return []
        if event == LogEvent.JOB_ERROR:
            name, _ = self._jobs.pop(fields["jobid"], (fields["rule_name"], 0.0))
            if self._stopped:
                return [self._line("ended", name)]
            lines = [self._line("FAILED", name)]
            for log in fields["log"] or ():
                lines += [*(f"    {line}" for line in last_lines(log, 20)), f"    whole log: {log}"]
            return lines
        text = record.getMessage()
        if event is None and text.startswith(STOPPED):
            self._stopped = True
            return ["Stopping; the same command will go on from where it was."]
        if self._stopped and event in (None, LogEvent.ERROR) and record.levelno >= logging.ERROR:
            return []
        if event is None and self._report and text.startswith(LAST):
            self._plain.handle(record)
            return [f"report: {', '.join(self._report)}"]
        if event is None and record.levelno < logging.WARNING and (not text.strip() or text.startswith(CHATTER)):
            return []
        return None

    def _line(self, what: str, name: str) -> str:
        width = len(str(self._total))
        return f"{time.strftime('%H:%M:%S')} [{self._done:{width}}/{self._total}] {what:<6} {name}"

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False


def clock(seconds: float) -> str:
    """41.3 -> "0:41"; from an hour on "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
