"""The ledger of claims in the view: an experiment, a run per claim, its verdict a tag."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from triplehead.plan.plan import Plan
from triplehead.tracking.names import CLAIM, KIND, claims_experiment
from triplehead.tracking.runlog import now, outdated, put
from triplehead.tracking.store import REBUILD, Store, attempt, open_store

if TYPE_CHECKING:
    import pandas

CLAIM_ID = "triplehead.claim"
METRICS = ("value", "low", "high", "published", "region", "n")
MARKS = {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "too few seeds": "?"}  # short: a list cuts names
TAGS = ("verdict", "section", "kind", "compared", "unit", "interval_over", "scale", "run_ids")


def log_claims(uri: str, plan: Plan, frame: "pandas.DataFrame", file: Path) -> bool:
    """Bring the claims up to date from the ledger `frame` (of results/claims.csv, `file`, which becomes an artifact);
    a failing store is a warning, and False. A second call with the same ledger changes nothing."""
    return attempt(uri, lambda: write_claims(open_store(uri), plan, frame, file), plan.command(REBUILD))


def write_claims(store: Store, plan: Plan, frame: "pandas.DataFrame", file: Path) -> None:
    """`log_claims` that raises what MLflow raises."""
    experiment = store.experiment(claims_experiment(plan.config.scale))
    known = {run.data.tags[CLAIM_ID]: run for run in store.own(f"tags.`{KIND}` = '{CLAIM}'", experiment)}
    # The UI lists the latest start first, so that the first claim must have it.
    first = max((run.info.start_time for run in known.values()), default=now())
    for index, entry in enumerate(frame.to_dict("records")):
        metrics = {name: float(entry[name]) for name in METRICS if not _empty(entry[name])}
        run = known.pop(entry["claim"], None)
        if run is not None and outdated(run, metrics, {}):
            store.client.delete_run(run.info.run_id)
            run = None
        tags = {
            KIND: CLAIM,
            CLAIM_ID: entry["claim"],
            "mlflow.source.name": "triplehead",
            "mlflow.note.content": f"{entry['quote']} ({entry['section']})\n\n{entry['says']}",
        } | {name: "" if _empty(entry[name]) else str(entry[name]) for name in TAGS}
        tags |= store.tags
        name = f"{MARKS.get(entry['verdict'], '–')} {entry['title']}"  # the list's green tick says nothing of it
        if run is None:
            run = store.client.create_run(experiment, first - index, tags, name)
        elif run.info.run_name != name:
            store.client.update_run(run.info.run_id, name=name)
        put(store, run, metrics, {}, tags)
        if index == 0:
            store.client.log_artifact(run.info.run_id, str(file))
        if run.info.status != "FINISHED":
            store.client.set_terminated(run.info.run_id)
    for run in known.values():
        store.client.delete_run(run.info.run_id)


def _empty(value: Any) -> bool:
    import pandas

    return bool(pandas.isna(value)) or value == ""
