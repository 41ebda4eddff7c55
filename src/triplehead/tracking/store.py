"""The tracking store: where it is, how it comes to be, and what happens when it cannot be reached."""

import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triplehead import paths
from triplehead.errors import InputError
from triplehead.plan.hints import command
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Config
from triplehead.tracking.names import Experiment, planned_experiments
from triplehead.tracking.study import STUDY, study_id

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SQLITE = "sqlite:///"
REBUILD = "triplehead track rebuild"
NOTE = "mlflow.note.content"
SHOWN = {"mlflow.experimentKind": "custom_model_development"}  # the UI asks for the kind where it is not told
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # we say what went wrong ourselves, in one line
    # A server that is down costs a run about a second, one that never answers 20 s, and each only once.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def uri(config: Config) -> str:
    """The store that the configuration names; without one SQLite below results/ of the current folder."""
    if config.tracking_uri is None:
        file = (paths.RESULTS / "mlflow.db").absolute()
        if "?" in str(file):  # the rest would be taken for options
            raise InputError(file, "no SQLite store can lie below a folder with ? in its name; rename it")
        if {"'", '"'} <= set(str(file)):  # MLflow would take a part of it for SQL
            raise InputError(
                file, "no MLflow store can lie below folders with both ' and \" in their names; rename one"
            )
        return sqlite_uri(file)
    return config.tracking_uri


def sqlite_uri(file: Path) -> str:
    return SQLITE + str(file.absolute())


def sqlite_file(uri: str) -> Path | None:
    """The database behind a URI, if it is a SQLite file."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def client(uri: str) -> "MlflowClient":
    """Raises FileNotFoundError for a SQLite store not made by `create`: first use by two jobs breaks it."""
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"{file} does not exist")
    if file is not None and not (file.is_file() and os.access(file, os.R_OK | os.W_OK)):
        raise PermissionError(f"{file} is no file that can be written")  # MLflow would try for minutes
    configure()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def configure() -> None:
    """MLflow's settings, where the user has none; before its first import."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True)
class Store:
    """A client, where the artifacts of new experiments go (none: the server decides), and on a server whose runs are
    ours (nothing: all)."""

    client: "MlflowClient"
    artifacts: Path | None
    study: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """For every run that we make."""
        return {STUDY: self.study} if self.study else {}

    def experiment(self, experiment: Experiment) -> str:
        """Its id; made if need be, also when another job makes it at the same moment."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(experiment.name)
        if found is None:
            folder = None if self.artifacts is None else (self.artifacts / experiment.folder).absolute().as_uri()
            try:
                return self.client.create_experiment(experiment.name, folder, SHOWN | {NOTE: experiment.note})
            except MlflowException:
                found = self.client.get_experiment_by_name(experiment.name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def own(self, query: str, experiment: str | None = None) -> list["Run"]:
        """`runs`, without those of another study; one that says no study may be ours."""
        found = self.runs(query, experiment)
        return [run for run in found if not self.study or run.data.tags.get(STUDY, self.study) == self.study]

    def runs(self, query: str, experiment: str | None = None) -> Iterator["Run"]:
        """Active runs that match, oldest first, of one experiment or of all."""
        ids = [experiment] if experiment else [found.experiment_id for found in self._experiments()]
        token = None
        while ids:
            page = self.client.search_runs(ids, query, order_by=["attributes.start_time ASC"], page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _experiments(self) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_experiments(page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def drop_default(self) -> None:
        """Delete the experiment that MLflow makes by itself, unless somebody uses it."""
        default = self.client.get_experiment_by_name("Default")
        if default is None or default.lifecycle_stage != "active":
            return
        if not list(self.runs("", default.experiment_id)):
            self.client.delete_experiment(default.experiment_id)

    def disconnect(self) -> None:
        """Let go of a SQLite file that will be or was moved: connections are cached by URI."""
        self.client._tracking_client.store.engine.dispose()


def problem_of(uri: str) -> str | None:
    """What is wrong with a local store that was made here once, in a clause; nothing is asked of a server."""
    file = sqlite_file(uri)
    if file is None:
        return None
    if not file.exists():
        was_made = (paths.RESULTS / "mlflow.ready").exists()
        return "is gone; the rule reproduce_all makes it anew" if was_made else None
    try:
        with closing(sqlite3.connect(file)) as database:
            (found,) = database.execute("pragma quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = "ok" if "locked" in str(error) else str(error)  # somebody is at work
    return None if found == "ok" else f"is damaged ({found}); `{command(REBUILD)}` makes it anew"


def open_store(uri: str) -> Store:
    """Raises InputError where a server's runs could not be told from those of others."""
    return _opened(uri, study_id(paths.RESULTS) if sqlite_file(uri) is None else "")


def _opened(uri: str, study: str) -> Store:
    file = sqlite_file(uri)
    return Store(client(uri), None if file is None else file.parent / "mlartifacts", study)


def initialise(file: Path) -> None:
    """A new, empty SQLite store at `file`, which does not exist."""
    remove_journals(file)
    _migrate(file)


def remove_journals(file: Path) -> None:
    """Remove what a killed writer left beside a database: SQLite would apply it to the next of that name."""
    for suffix in ("-journal", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def create(uri: str, plan: Plan | None = None) -> None:
    """Make or upgrade the store, and the experiments of `plan`, once, before jobs log side by side.

    Raises InputError if the store cannot be made or reached.
    """
    file = sqlite_file(uri)
    try:
        if file is not None:
            _create_sqlite(file)
        store = _opened(uri, "")  # experiments are everybody's
        if plan is not None:
            for experiment in planned_experiments(plan):
                store.experiment(experiment)
            if file is not None:
                store.drop_default()
        else:
            store.client.search_experiments(max_results=1)
    except InputError:
        raise
    except Exception as error:
        raise InputError(mask(uri), f"no usable MLflow store ({reason(error)})") from error


def _create_sqlite(file: Path) -> None:
    if not file.exists():
        with paths.atomic(file) as temporary:
            initialise(temporary)
        return
    with file.open("rb") as stream:
        if stream.read(16) not in (b"", b"SQLite format 3\0"):
            raise InputError(file, "not an SQLite database; move it away")
    _migrate(file)


def _migrate(file: Path) -> None:
    """Bring the tables to what this MLflow expects. Not through a client: MLflow keeps those by URI."""
    configure()
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(SQLITE + str(file.absolute()))
    try:
        if not utils._all_tables_exist(engine):
            utils._initialize_tables(engine)
        elif utils._get_schema_version(engine) != utils._get_latest_schema_revision():
            utils._upgrade_db(engine)
    finally:
        engine.dispose()


def attempt(uri: str, action: Callable[[], None], rebuild: str = command(REBUILD)) -> bool:
    """Do `action`; if the store fails, say so in one line and go on: the files hold everything. rebuild: the command
    that makes the view from them."""
    try:
        action()
    except Exception as error:
        print(
            f"warning: MLflow ({mask(uri)}): {reason(error)}; going on without it, "
            f"{rebuild} makes the view from the files",
            file=sys.stderr,
            flush=True,
        )
        return False
    return True


def reason(error: Exception) -> str:
    """The first line of what went wrong, short and without a password."""
    text = mask(str(error).strip()) or type(error).__name__
    lines = text.splitlines()
    line = lines[len(lines) > 1 and lines[0].startswith("(raised as a result of")]  # SQLAlchemy's aside
    return line if len(line) <= 200 else line[:197] + "..."


def mask(text: str) -> str:
    return re.sub(r"(://[^:/@\s]*):[^@/\s]+@", r"\1:***@", text)
