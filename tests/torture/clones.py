"""Two clones that share one MLflow server, and run at the same time."""

import subprocess
import time
from collections import Counter
from pathlib import Path

import pandas
import yaml
from tests.torture.outcome import Outcome, outcome
from tests.torture.project import PATIENCE, SNAKEMAKE, Project, tree_killed
from tests.tracking.helpers import tracking_server

from triplehead.tracking.names import CLAIM, KIND, REPORT, ROW, RUN_ID, SEED, TRAINED, TRAINING
from triplehead.tracking.store import Store, client

ALONE = [*SNAKEMAKE[:2], "1", *SNAKEMAKE[3:]]  # on one core


def at_once(name: str, folder: Path) -> Outcome:
    """Two studies of other lengths and the same names: each run, row, seed, claim and report is there once, finished,
    with its own clone's numbers and every step once."""
    with tracking_server(f"sqlite:///{folder / 'server.db'}", folder) as address:
        clones = [Project(folder / each, tracking_uri=address) for each in ("one", "another")]
        scale = clones[1].folder / "experiments" / "scales" / "smoke.yaml"
        content = yaml.safe_load(scale.read_text())
        for schedule in content["schedules"].values():
            schedule["iterations"] += 2
        scale.write_text(yaml.safe_dump(content))
        problems = _ended([clone.start(ALONE) for clone in clones])
        for clone in clones:
            warned = [file for file in clone.folder.glob("logs/**/*.log") if "MLflow" in file.read_text()]
            problems += [f"{file.relative_to(folder)}: {file.read_text().strip()[:200]}" for file in warned]
        return outcome(name, problems or _lost(address, clones))


def _ended(processes: list[subprocess.Popen]) -> list[str]:
    problems, deadline = [], time.monotonic() + PATIENCE
    for process in processes:
        try:
            status = process.wait(timeout=max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            tree_killed(process)
            status = "no end"
        problems += [] if status == 0 else [f"one ended with {status}"]
    return problems


def _lost(address: str, clones: list[Project]) -> list[str]:
    store, problems = Store(client(address), None), []
    runs = list(store.runs(""))
    found = Counter((run.data.tags[KIND], run.info.status) for run in runs)
    expected = {(kind, "FINISHED"): len(clones) * count for kind, count in
                ((TRAINING, 2), (ROW, 2), (SEED, 2), (CLAIM, 1), (REPORT, 1))}  # fmt: skip
    if found != expected:
        problems.append(f"{dict(found)}, expected {expected}")
    for clone in clones:
        table = pandas.read_csv(clone.folder / "results" / "table1.csv")
        for ids, cells in table.groupby("run_ids"):
            trained = [run for run in runs if run.data.tags.get(RUN_ID) == ids]
            rows = [run for run in runs if run.data.tags.get("run_ids") == ids and run.data.tags[KIND] == ROW]
            seeds = [run for run in runs if run.data.tags.get(TRAINED) == ids]
            if [len(trained), len(rows), len(seeds)] != [1, 1, 1]:
                problems.append(f"{ids}: {len(trained)} trainings, {len(rows)} rows, {len(seeds)} seeds")
                continue
            history = pandas.read_csv(clone.folder / "results" / "runs" / ids / "history.csv")
            for run in (trained[0], seeds[0]):
                steps = [each.step for each in store.client.get_metric_history(run.info.run_id, "loss")]
                if run is trained[0] and sorted(steps) != list(history["iteration"]):
                    problems.append(f"{ids}: steps {sorted(steps)}, expected {list(history['iteration'])}")
            for metric, mean in zip(cells["metric"], cells["mean"], strict=True):
                values = [each.value for each in store.client.get_metric_history(rows[0].info.run_id, f"mean/{metric}")]
                if len(values) != 1 or abs(values[0] - mean) > 1e-6:
                    problems.append(f"{ids}: {metric} is {values}, expected {mean}")
    return problems
