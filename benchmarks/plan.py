"""A user's sweep of 5,001 runs: `triplehead plan`, and Snakemake's DAG of all their jobs, against a limit each."""

import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from benchmarks.measure import Result, result

ROOT = Path(__file__).parents[1]
SPECS = 1667  # of three seeds each
LIMITS = {"triplehead plan": (2.0, 5), "snakemake -n": (30.0, 3)}  # CPU seconds, rounds


def run(specs: int = SPECS, rounds: int | None = None) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("experiments", "workflow", "profiles", "reports", "Snakefile", "environment.yml"):
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, folder / part)
        (folder / "sweep").mkdir()
        (folder / "sweep" / "sweep.yaml").write_text(yaml.safe_dump(sweep(specs)))
        calls = {
            "triplehead plan": ["plan", "sweep", "--scale", "proxy", "--extra", "sweep"],
            "snakemake -n": ["-n", "results/sweep.csv", "--quiet", "all", "--config", "scale=proxy", "extra=sweep"],
        }
        for subject, (limit, enough) in LIMITS.items():
            command = [str(Path(sys.executable).with_name(subject.split()[0])), *calls[subject]]
            seconds = [children_seconds(command, folder) for _ in range(rounds or enough)]
            yield result(f"plan of {3 * specs:,} runs", subject, seconds, "the limit", [limit] * len(seconds), ">= 1")


def sweep(specs: int) -> dict:
    """A table of JLA at `specs` values of K."""
    rows = [{"label": f"K = {k}", "spec": {"detector": "jla", "assigner": {"k": k}}} for k in range(2, specs + 2)]
    return {"kind": "scores", "title": "A sweep", "columns": [], "metrics": ["AP"], "rows": rows}


def children_seconds(command: list[str], folder: Path) -> float:
    """CPU seconds, user and system, of a command that succeeds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
