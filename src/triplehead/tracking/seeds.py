"""The seeds of a table's row in the view: runs nested below the row's, with the scores and curves of the files.

A training run may serve several tables, but MLflow nests runs within one experiment alone: each table shows a copy,
which names the training run that it was made from.
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from triplehead.paths import DIVERGED
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.tracking.files import read_history, read_scores
from triplehead.tracking.names import KIND, SEED, SHARED, TRAINED, User, shared_with
from triplehead.tracking.runlog import MARK, chunks, now, put, record_metrics
from triplehead.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"


def write_seeds(store: Store, plan: Plan, user: User, parent: "Run", runs: Path) -> None:
    """Bring the seeds below the row `parent` up to date from `runs`/<id>/; those without scores there are left out.

    A second call with the same files changes nothing. Raises InputError for a broken file.
    """
    query = f"tags.`{KIND}` = '{SEED}' and tags.`{PARENT}` = '{parent.info.run_id}'"
    known = {run.data.tags[TRAINED]: run for run in store.runs(query, parent.info.experiment_id)}
    specs = [spec for spec in plan.specs.get(user, ()) if (runs / spec.id / "scores.json").exists()]
    first = max((run.info.start_time for run in known.values()), default=now())
    for index, spec in enumerate(specs):
        _write(store, plan, user, parent, runs / spec.id, spec, known.pop(spec.id, None), first - index)
    for run in known.values():
        store.client.delete_run(run.info.run_id)


def _write(
    store: Store, plan: Plan, user: User, parent: "Run", folder: Path, spec: RunSpec, run: "Run | None", start: int
) -> None:
    scores, diverged = read_scores(folder / "scores.json")
    history = read_history(folder / "history.csv") if (folder / "history.csv").exists() else []
    history = [record for record in history if math.isfinite(record[MARK])]  # not the one that diverged
    final = {key: value for key, value in history[-1].items() if key not in ("iteration", "time")} if history else {}
    if run is not None and run.data.metrics != final | scores:  # of other files: MLflow can take back no metric
        store.client.delete_run(run.info.run_id)
        run = None
    shared = shared_with(plan.runs[spec.id].users, *user)
    tags = {
        KIND: SEED,
        PARENT: parent.info.run_id,
        TRAINED: spec.id,
        SHARED: shared,
        "scale": spec.scale,
        "seed": str(spec.seed),
        "mlflow.source.name": "triplehead",
        "mlflow.note.content": f"Trained once, as `{spec.id}`." + (f" Also in: {shared}." if shared else ""),
    }
    tags |= store.tags
    if diverged is not None:
        tags[DIVERGED] = json.dumps(diverged)
    if run is None:
        run = store.client.create_run(parent.info.experiment_id, start, tags, f"seed {spec.seed} · {user[1]}")
        for chunk in chunks(history):
            metrics = [metric for record in chunk for metric in record_metrics(record)]
            store.client.log_batch(run.info.run_id, metrics=metrics)
    put(store, run, scores, {"seed": str(spec.seed)}, tags, spec.schedule.iterations)
    status = "FINISHED" if diverged is None else "FAILED"
    if run.info.status != status:
        store.client.set_terminated(run.info.run_id, status)
