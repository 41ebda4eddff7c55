"""What a job uses: a context that tells MLflow how its run goes, and never stands in its way."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from triplehead.paths import DIVERGED
from triplehead.plan.hints import command
from triplehead.plan.runs import RunSpec
from triplehead.tracking.names import User
from triplehead.tracking.process import code_tags, process_tags
from triplehead.tracking.runlog import RunLog, put
from triplehead.tracking.store import REBUILD, attempt, open_store
from triplehead.tracking.unlogged import Mark

SECONDS = "train_seconds"


class Tracker:
    """The run of `spec` in the store at `uri` (none: do nothing), open from enter to exit.

    Training and evaluation are processes of their own and meet in the same MLflow run; a resumed training
    goes on in it. The first failure of the store is one line on stderr and ends tracking, not the job.
    `users`: (exhibit, row's label) pairs. `folder`: of the run's files. `rebuild`: the command
    that makes up for what the store missed. `mark`: stands until the store has all, to the end.
    """

    def __init__(
        self,
        uri: str | None,
        spec: RunSpec,
        users: list[User],
        folder: Path,
        rebuild: str = command(REBUILD),
        mark: Mark | None = None,
    ):
        self.rebuild, self.mark = rebuild, mark
        self.uri, self.spec, self.users, self.folder = uri, spec, users, folder
        self.log: RunLog | None = None
        self.trained = False

    def __enter__(self) -> "Tracker":
        self.entered = time.monotonic()
        if (uri := self.uri) is not None:
            if self.mark is not None:
                self.mark.set()
            attempt(uri, lambda: self._open(uri), self.rebuild)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        stopped = kind is not None and not issubclass(kind, Exception)
        if isinstance(error, SystemExit) and error.code in (None, 0):
            kind, stopped = None, False
        self._do(lambda log: self._close(log, "KILLED" if stopped else "FAILED" if kind else "FINISHED"))
        if self.mark is not None and self.uri is not None:  # set again: the disk may have refused it before
            (self.mark.set if self.log is None else self.mark.take_away)()

    def log_history(self, records: list[dict[str, float]]) -> None:
        """Records of engine.history: iteration, lr, time (Unix seconds), losses; known ones are skipped."""

        def action(log: RunLog) -> None:
            log.history(records)
            log.tag({SECONDS: self._seconds()})  # a kill loses what came after the last call

        self.trained = True
        self._do(action)

    def log_scores(self, scores: dict[str, float | None], files: list[Path]) -> None:
        """The numbers of scores.json (None: undefined, left out), and files to keep as artifacts."""
        self._do(lambda log: log.scores(scores, files))

    def log_divergence(self, what: str, files: list[Path]) -> None:
        """Why there are no scores; whoever leaves by an exception has a run that is FAILED."""

        def action(log: RunLog) -> None:
            log.tag({DIVERGED: what})
            log.scores({}, files)

        self._do(action)

    def log_environment(self, environment: dict[str, Any]) -> None:
        """The content of environment.json."""
        self._do(lambda log: log.environment(environment))

    def _open(self, uri: str) -> None:
        log = RunLog(open_store(uri), self.spec, self.users)
        log.begin()
        log.tag(process_tags() | code_tags() | {"folder": str(self.folder)})
        self.before = float(log.run.data.tags.get(SECONDS, 0))
        self.log = log

    def _close(self, log: RunLog, status: str) -> None:
        if self.trained and status == "FINISHED":  # a metric is logged once; until then, and after it, the tag says it
            log.refresh()
            seconds = {} if SECONDS in log.run.data.metrics else {SECONDS: float(self._seconds())}
            put(log.store, log.run, seconds, {}, {SECONDS: self._seconds()})
        log.end(status)

    def _seconds(self) -> str:
        """Spent in training so far, over all resumes."""
        return f"{self.before + time.monotonic() - self.entered:.1f}"

    def _do(self, action: Callable[[RunLog], None]) -> None:
        log, uri = self.log, self.uri
        if log is not None and uri is not None and not attempt(uri, lambda: action(log), self.rebuild):
            self.log = None
