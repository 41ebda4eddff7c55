"""What several tests of the tracking need."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas

from triplehead.analysis.tables import COLUMNS, read_table, write_csv
from triplehead.tracking.store import Store, client


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def tracking_server(backend: str, folder: Path, workers: int = 1) -> Iterator[str]:
    """The address of an MLflow server on this machine; artifacts go to `folder`/kept."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", str(workers), "--port", str(port)]
    command += ["--backend-store-uri", backend, "--artifacts-destination", str(folder / "kept")]
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def make_records(count: int, first: int = 1) -> list[dict[str, float]]:
    """Like engine.history's, with values that no decimal rounding keeps."""
    return [
        {"iteration": i, "lr": 0.01 / 3, "time": 1.7e9 + i, "loss_cls": 1 / (3 * i), "loss": 1 / i + 1 / 7}
        for i in range(first, first + count)
    ]


def histories(uri: str, run_id: str) -> dict[str, list[tuple[int, float]]]:
    """Metric -> (step, value) in the order of steps, as MLflow has them."""
    mlflow = client(uri)
    return {
        key: sorted((metric.step, metric.value) for metric in mlflow.get_metric_history(run_id, key))
        for key in mlflow.get_run(run_id).data.metrics
    }


def all_runs(uri: str) -> list:
    return list(Store(client(uri), None).runs(""))


def only_run(uri: str):
    (run,) = all_runs(uri)
    return run


def make_frame(plan, exhibit="table5", ap=30.25) -> pandas.DataFrame:
    """A tidy table: the first row measured by one seed, the rest by three."""
    cells = []
    for index, row in enumerate(plan.exhibits[exhibit].rows):
        for metric in plan.exhibits[exhibit].metrics:
            mean, published = ap + index, row.published.get(metric)
            cells.append(
                {
                    "exhibit": exhibit,
                    "row": index,
                    "label": row.label,
                    "metric": metric,
                    "mean": mean,
                    "std": 0.5 if index else None,
                    "n": 3 if index else 1,
                    "published": published,
                    "difference": None if published is None else mean - published,
                    "scale": "smoke",
                    "run_ids": ";".join(plan.run_ids(exhibit, row.label)),
                }
            )
    return pandas.DataFrame(cells)


def make_table(plan, results, exhibit="table5") -> pandas.DataFrame:
    """`make_frame` on disk, with the other columns empty, as it is read back."""
    write_csv(make_frame(plan, exhibit).reindex(columns=list(COLUMNS)), results / f"{exhibit}.csv")
    return read_table(plan, exhibit, results)
