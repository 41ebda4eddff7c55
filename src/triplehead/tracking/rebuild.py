"""The view made anew from the files, and runs put right whose process died."""

import json
import math
import re
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from triplehead.errors import InputError
from triplehead.paths import DIVERGED, atomic
from triplehead.plan.hints import command
from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.reading import read_mapping
from triplehead.tracking import store as stores
from triplehead.tracking.claims import write_claims
from triplehead.tracking.files import read_history, read_scores
from triplehead.tracking.names import KIND, KINDS, planned_experiments
from triplehead.tracking.process import HOST, is_dead, process_tags
from triplehead.tracking.report import write_report
from triplehead.tracking.runlog import MARK, RunLog
from triplehead.tracking.store import Store
from triplehead.tracking.tables import write_exhibit

if TYPE_CHECKING:
    import pandas

ARTIFACTS = ("spec.json", "scores.json", "history.csv")


def rebuild(uri: str, plan: Plan, results: Path, tables: "dict[str, pandas.DataFrame]") -> None:
    """Make the store from results/runs/*/, the tables that there are and claims.csv, when nothing else is logging.

    Only times are lost: the files hold none. A SQLite store is built beside and moved into place; on a server
    our runs, known by their tags, are deleted first. Raises InputError if the store or a file is unusable.
    """
    file = stores.sqlite_file(uri)
    try:
        if file is None:
            store = stores.open_store(uri)
            for kind in KINDS:
                for run in store.own(f"tags.`{KIND}` = '{kind}'"):
                    store.client.delete_run(run.info.run_id)
            _fill(store, plan, results, tables)
        else:
            _rebuild_sqlite(file, plan, results, tables)
    except InputError:
        raise
    except Exception as error:
        raise InputError(stores.mask(uri), f"cannot be rebuilt ({stores.reason(error)})") from error


def _rebuild_sqlite(file: Path, plan: Plan, results: Path, tables: "dict[str, pandas.DataFrame]") -> None:
    with atomic(file) as temporary:
        stores.initialise(temporary)
        store = Store(stores.client(stores.sqlite_uri(temporary)), file.parent / "mlartifacts")
        try:
            _fill(store, plan, results, tables)
            store.drop_default()
            kept = {run.info.run_id for run in store.runs("")}
        finally:
            store.disconnect()
        stores.remove_journals(file)
    store = stores.open_store(stores.sqlite_uri(file))
    store.disconnect()
    _drop_artifacts(file.parent / "mlartifacts", kept)


def clear(uri: str) -> None:
    """Remove what a rebuild that was killed left: half a database, and artifacts of no run."""
    file = stores.sqlite_file(uri)
    if file is None or not file.is_file():
        return
    for left in file.parent.glob(f".{file.name}.tmp*"):
        left.unlink(missing_ok=True)
    with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as database:
        runs = {row[0] for row in database.execute("select run_uuid from runs")}
        _drop_artifacts(file.parent / "mlartifacts", runs)


def _drop_artifacts(folder: Path, runs: set[str]) -> None:
    """All but those of `runs`."""
    for each in folder.glob("*/*"):
        if re.fullmatch(r"[0-9a-f]{32}", each.name) and each.name not in runs:
            shutil.rmtree(each)


def _fill(store: Store, plan: Plan, results: Path, tables: "dict[str, pandas.DataFrame]") -> None:
    for experiment in planned_experiments(plan):
        store.experiment(experiment)
    for folder in sorted((results / "runs").glob("*/")):
        if (folder / "spec.json").exists():
            _add_run(store, plan, folder)
    for exhibit, frame in tables.items():
        files = [path for path in (results / f"{exhibit}.csv", results / f"{exhibit}.tex") if path.exists()]
        write_exhibit(store, plan, exhibit, frame, files, results / "runs")
    ledger = results / "claims.csv"
    if ledger.exists():
        import pandas

        try:
            frame = pandas.read_csv(ledger, dtype=str, keep_default_na=False)
            write_claims(store, plan, frame, ledger)
        except (ValueError, KeyError, OSError) as error:
            raise InputError(ledger, f"not a readable ledger ({stores.reason(error)})") from error
    write_report(store, plan, results)


def relog(uri: str, plan: Plan, folder: Path) -> bool:
    """Log what the store has not of the run whose files lie in `folder`; False, and a line, if it fails."""
    return stores.attempt(uri, lambda: _add_run(stores.open_store(uri), plan, folder), plan.command(stores.REBUILD))


def _add_run(store: Store, plan: Plan, folder: Path) -> None:
    try:
        spec = RunSpec.model_validate_json((folder / "spec.json").read_bytes())
    except ValidationError as error:
        raise InputError(folder / "spec.json", f"not a spec of this version ({error.error_count()} problems)") from None
    users = plan.all_runs[spec.id].users if spec.id in plan.all_runs else []
    records = read_history(folder / "history.csv") if (folder / "history.csv").exists() else []
    written = int((folder / "spec.json").stat().st_mtime * 1000)
    log = RunLog(store, spec, users, start=int(records[0]["time"] * 1000) if records else written)
    log.history([record for record in records if math.isfinite(record[MARK])])  # not the one that diverged
    if (folder / "environment.json").exists():
        environment = read_mapping(folder / "environment.json")
        log.environment(environment)
        log.tag({"code": str(environment.get("triplehead", "unknown"))})
    log.tag({"folder": str(folder)})
    scores, diverged = read_scores(folder / "scores.json") if (folder / "scores.json").exists() else ({}, None)
    if diverged is not None:
        log.tag({DIVERGED: json.dumps(diverged)})
    log.scores(scores, [folder / name for name in ARTIFACTS if (folder / name).exists()])
    log.end(
        "FINISHED" if diverged is None else "FAILED", max(written, int(records[-1]["time"] * 1000) if records else 0)
    )


def sweep(uri: str, rebuild: str = command(stores.REBUILD)) -> int:
    """Mark runs KILLED that are RUNNING although their process on this host is gone; how many there were."""
    killed: list[str] = []

    def action() -> None:
        store = stores.open_store(uri)
        query = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{process_tags()[HOST]}'"
        for run in list(store.runs(query)):
            if is_dead(run.data.tags):
                store.client.set_terminated(run.info.run_id, "KILLED")
                killed.append(run.info.run_id)

    file = stores.sqlite_file(uri)
    if file is None or file.exists():
        stores.attempt(uri, action, rebuild)
    return len(killed)
