"""One training run in the store: found by its id, added to, never logged twice. Raises what MLflow raises."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triplehead.plan.runs import RunSpec
from triplehead.tracking.names import (
    EXHIBIT_KEY,
    RUN_ID,
    User,
    flatten,
    run_name,
    run_tags,
    training_experiment,
)
from triplehead.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

METRICS_PER_BATCH, OTHERS_PER_BATCH = 1000, 100  # MLflow's limits
MARK = "loss"  # in every record: its steps say which records are there


def now() -> int:
    """Milliseconds, as MLflow counts."""
    return int(time.time() * 1000)


def put(
    store: Store,
    run: "Run",
    metrics: dict[str, Any],
    params: dict[str, str],
    tags: dict[str, str],
    step: int = 0,
) -> None:
    """Log what `run` does not hold already; metrics that are None or NaN are left out."""
    from mlflow.entities import Metric, Param, RunTag

    at, known = now(), run.data
    numbers = {key: float(value) for key, value in metrics.items() if value is not None and not math.isnan(value)}
    numbered, named, tagged = (
        [Metric(key, value, at, step) for key, value in numbers.items() if known.metrics.get(key) != value],
        [Param(key, value) for key, value in params.items() if key not in known.params],
        [RunTag(key, value) for key, value in tags.items() if known.tags.get(key) != value],
    )
    for first in range(0, max(len(numbered), len(named), len(tagged)), OTHERS_PER_BATCH):
        some = slice(first, first + OTHERS_PER_BATCH)
        store.client.log_batch(run.info.run_id, numbered[some], named[some], tagged[some])


def outdated(run: "Run", metrics: dict[str, float], params: dict[str, str]) -> bool:
    """Whether `run` holds what is no longer so. MLflow can neither take back a metric or param nor change a param, and
    of a changed metric it keeps both values at one step: such a run is made anew."""
    return bool(run.data.metrics.items() - metrics.items()) or bool(run.data.params.items() - params.items())


class RunLog:
    """The MLflow run of `spec`, made if there is none. `start`: milliseconds, for a run that is made."""

    def __init__(self, store: Store, spec: RunSpec, users: list[User], start: int | None = None):
        self.store, self.spec, self.users = store, spec, users
        self.experiment = store.experiment(training_experiment(spec.scale))
        query = f"tags.`{RUN_ID}` = '{spec.id}'"
        self._attach(next(iter(store.own(query, self.experiment)), None) or self._make(start))

    def _make(self, start: int | None = None) -> "Run":
        tags = run_tags(self.spec, self.users) | self.store.tags
        return self.store.client.create_run(self.experiment, start, tags, run_name(self.spec, self.users))

    def _attach(self, run: "Run") -> None:
        self.run, self.id = run, run.info.run_id
        history = self.store.client.get_metric_history(self.id, MARK)
        self.logged: dict[float, float] = {metric.step: metric.value for metric in history}
        tags = run_tags(self.spec, self.users)
        for exhibit in [key for key in run.data.tags if EXHIBIT_KEY.fullmatch(key) and key not in tags]:
            self.store.client.delete_tag(self.id, exhibit)  # the plan uses this run elsewhere now
        put(self.store, run, {}, flatten(self.spec.model_dump(mode="json")), tags)

    def tag(self, tags: dict[str, str]) -> None:
        put(self.store, self.run, {}, {}, tags)

    def history(self, records: list[dict[str, float]]) -> None:
        """Records (iteration, time in seconds, values) that are not there yet.

        A record is never split between two requests, and a request is one transaction: a kill leaves whole
        records. If values that are there differ, the training began anew with other code: so does the run.
        """
        if any(not _same(self.logged.get(record["iteration"]), record[MARK]) for record in records):
            tags = {key: value for key, value in self.run.data.tags.items() if not key.startswith("mlflow.")}
            old, start = self.id, int(records[0]["time"] * 1000)
            self._attach(self._make(start))
            self.tag(tags)
            self.store.client.delete_run(old)
        last = max(self.logged, default=-1)
        for chunk in chunks([record for record in records if record["iteration"] > last]):
            self.store.client.log_batch(
                self.id, metrics=[metric for record in chunk for metric in record_metrics(record)]
            )
            self.logged |= {record["iteration"]: record[MARK] for record in chunk}

    def scores(self, scores: dict[str, float | None], files: list[Path]) -> None:
        """Final numbers, logged again only where they changed, and files as artifacts."""
        self.refresh()
        put(self.store, self.run, scores, {}, {}, self.spec.schedule.iterations)
        for file in files:
            self.store.client.log_artifact(self.id, str(file))

    def environment(self, environment: dict[str, Any]) -> None:
        self.tag({f"env.{key}": value for key, value in flatten(environment).items()})

    def refresh(self) -> None:
        self.run = self.store.client.get_run(self.id)

    def begin(self) -> None:
        self.store.client.update_run(self.id, status="RUNNING", name=run_name(self.spec, self.users))

    def end(self, status: str, at: int | None = None) -> None:
        """FINISHED, FAILED or KILLED; `at`: milliseconds."""
        self.store.client.set_terminated(self.id, status, at)


def _same(logged: float | None, value: float) -> bool:
    return logged is None or math.isclose(logged, value, rel_tol=1e-6) or (math.isnan(logged) and math.isnan(value))


def record_metrics(record: dict[str, float]) -> Iterator[Any]:
    """A record of a history as MLflow's metrics."""
    from mlflow.entities import Metric

    at, step = int(record["time"] * 1000), int(record["iteration"])
    for key, value in record.items():
        if key not in ("iteration", "time"):
            yield Metric(key, float(value), at, step)


def chunks(records: list[dict[str, float]]) -> Iterator[list[dict[str, float]]]:
    """Records that one request may hold."""
    size = max(1, METRICS_PER_BATCH // max((len(record) for record in records), default=1))
    for first in range(0, len(records), size):
        yield records[first : first + size]
