"""What must hold once a disturbed study is done: the files, MLflow's runs and the folder of an undisturbed one."""

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.torture.project import Project

from triplehead.tracking.store import open_store, sqlite_uri

SOURCES = "cache/snakemake/snakemake/source-cache/snakemake-runtime-cache"
LIVE = ("mlflow.db", "mlartifacts", "mlflow.id")  # below results/: MLflow's own, whose ids and times are new each time


@dataclass(frozen=True)
class State:
    """files: place -> digest. logged: of each MLflow run its experiment, name, status, metrics by step, params and
    digests of artifacts."""

    files: dict[str, str]
    logged: list[tuple]


def state(project: Project) -> State:
    folder, results = project.folder, project.folder / "results"
    paths = [path for path in results.rglob("*") if path.is_file() and path.relative_to(results).parts[0] not in LIVE]
    paths += [file for file in (folder / "reports" / name for name in ("report.pdf", "report.html")) if file.exists()]
    names = {str(path.relative_to(folder)): path for path in paths}
    files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items()}
    return State(files, logged(sqlite_uri(results / "mlflow.db")))


def logged(uri: str) -> list[tuple]:
    """Every active run: (experiment, name, status, ((metric, ((step, value), ...)), ...), params, artifacts); times are
    left out."""
    store = open_store(uri)
    names = {each.experiment_id: each.name for each in store._experiments()}
    found = []
    for run in store.runs(""):
        metrics = tuple(
            (key, tuple((each.step, _value(each)) for each in store.client.get_metric_history(run.info.run_id, key)))
            for key in sorted(run.data.metrics)
        )
        kept = (
            Path(unquote(urlsplit(run.info.artifact_uri).path)) if run.info.artifact_uri.startswith("file:") else Path()
        )
        artifacts = tuple(
            (str(path.relative_to(kept)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in (sorted(kept.rglob("*")) if kept.name == "artifacts" else ())
            if path.is_file()
        )
        params = tuple(sorted(run.data.params.items()))
        found.append((names[run.info.experiment_id], run.info.run_name, run.info.status, metrics, params, artifacts))
    store.disconnect()
    return sorted(found)


def _value(metric) -> float | None:
    """None: a time."""
    return None if metric.key.endswith("_seconds") else metric.value


def _shape(run: tuple) -> tuple:
    """A run of `logged` without its values, but the names and steps of them."""
    experiment, name, status, metrics, params, artifacts = run
    steps = tuple((key, tuple(step for step, _ in points)) for key, points in metrics)
    return experiment, name, status, steps, *(tuple(key for key, _ in pairs) for pairs in (params, artifacts))


def lost(project: Project, expected: State, timed: tuple[str, ...] = ()) -> list[str]:
    """What differs from an undisturbed study, or was left behind, in a line each; nothing if all holds.

    timed: how the places begin of files that hold times, or were made of such; if any, values in MLflow may differ, too.
    """
    found = state(project)
    problems = differing(found.files, expected.files, timed)
    problems += [f"MLflow: run {run[1]} is {run[2]}" for run in found.logged if run[2] != "FINISHED"]
    for _, name, _, metrics, *_ in found.logged:
        for key, points in metrics:
            steps = [step for step, _ in points]
            if len(steps) != len(set(steps)):
                problems.append(f"MLflow: {name} has steps of {key} twice")
    there, wanted = ([_shape(run) if timed else run for run in each.logged] for each in (found, expected))
    for run in wanted if len(there) == len(wanted) else ():
        if run not in there:
            problems.append(f"MLflow: {run[0]}, {run[1]} differs")
    if len(found.logged) != len(expected.logged):
        problems.append(f"MLflow: {len(found.logged)} runs, expected {len(expected.logged)}")
    problems += leftovers(project.folder)
    return problems + orphans(project.folder / "results")


def differing(found: dict[str, str], expected: dict[str, str], but: tuple[str, ...] = ()) -> list[str]:
    """Files (place -> digest) that are missing, left over or not the same; but: of these the bytes may differ."""
    problems = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} is left over" for name in sorted(found.keys() - expected.keys())]
    common = [name for name in sorted(expected.keys() & found.keys()) if not name.startswith(but)]
    return problems + [f"{name} differs" for name in common if expected[name] != found[name]]


def orphans(results: Path) -> list[str]:
    """Artifacts of runs that the store does not have."""
    with closing(sqlite3.connect(results / "mlflow.db")) as database:
        runs = {row[0] for row in database.execute("select run_uuid from runs")}
    folders = [path for path in (results / "mlartifacts").glob("*/*") if re.fullmatch(r"[0-9a-f]{32}", path.name)]
    return [f"MLflow: artifacts of no run in {path}" for path in folders if path.name not in runs]


def leftovers(folder: Path) -> list[str]:
    """Temporary files, training state, database journals and locks that nobody holds."""
    places = [path for path in folder.rglob("*") if path.is_file() and "src" not in path.relative_to(folder).parts]
    found = [f"{path.relative_to(folder)} is left over" for path in places if _is_temporary(path, folder)]
    found += [f"{path}: a command in the folder's name was run" for path in places if path.name == "owned"]
    for place in (".snakemake/locks", ".snakemake/incomplete", "temporary", SOURCES):
        found += [f"{path} is left over" for path in (folder / place).glob("*")]
    return found


def _is_temporary(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts
    if inside[0] not in ("results", "reports", "logs"):
        return False
    ends = (".tmp", "-journal", "-wal", "-shm")
    return any(part.endswith(ends) for part in inside) or inside[:2] == ("results", "scratch")
