"""How Snakemake's jobs find this environment and learn its configuration."""

import json
import os
import re
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, Literal

from triplehead.errors import InputError, shown
from triplehead.paths import REPLICATES
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Resampling

RUN = "[^/]+-s[0-9]+-[0-9a-f]+"  # the form of a run's id
_VARIABLE = "TRIPLEHEAD_CONFIG"
_LABELS: dict[str, str] = {}  # run id -> what a reader calls it, in the process that builds the DAG


def hand_down(config: dict[str, Any]) -> None:
    """Let child processes run this environment's `triplehead` under this configuration.

    Not by arguments: they would be part of each rule, and a job reruns when its rule's parameters change.
    """
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    os.environ[_VARIABLE] = json.dumps(config)


def handed_down() -> dict[str, Any]:
    """What a Snakemake above has handed down; nothing where there is none. Raises InputError for what it cannot be."""
    text = os.environ.get(_VARIABLE, "{}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(_VARIABLE, f"expected a JSON object of --config's keys, found {shown(text)}; unset it")
    return found


def require(executor: str) -> None:
    """Raise InputError unless jobs can be handed to Snakemake's `executor`: before the first is, not one by one."""
    if executor != "slurm":
        return
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        raise InputError("slurm", "no sbatch and sinfo on PATH; start it where jobs are submitted from")
    try:
        asked = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        raise InputError("slurm", "sinfo does not answer in 30 s; is the controller up?") from None
    if asked.returncode or not asked.stdout.strip():
        reason = (asked.stderr.strip().splitlines() or ["no partition to submit to"])[-1]
        raise InputError("slurm", f"does not answer ({reason})")


def one_of(names: Iterable[str]) -> str:
    """The constraint of a wildcard that is one of these; of none it is nothing that occurs."""
    return "|".join(map(re.escape, sorted(names))) or "none"


def one_of_runs(chosen: Sequence[str], others: Sequence[str] = ()) -> str:
    """The constraint of a run that is among the chosen and none of the others: said by the fewer of them, since
    Snakemake reads the expression anew for each job. Of two such rules one takes what only looks like a run, so that
    whoever asks for it is told that there is no such run."""
    if not chosen or (len(chosen), min(chosen)) < (len(others), min(others, default="")):
        return one_of(chosen)
    return (f"(?!(?:{one_of(others)})(?:[/.]|$))" if others else "") + RUN


def declared(rules: Iterable[Any], values: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Every file that Snakemake's rules write, logs included, for all values of their wildcards.

    The values are those of the constraints, which are `one_of` here, results/{exhibit,table1|table2}.csv, unless
    `values` has them by the wildcard's name.
    """
    files: list[str] = []
    for pattern in dict.fromkeys(str(file) for rule in rules for file in (*rule.output, *rule.log)):
        parts = re.split(r"\{(\w+),([^}]*)\}", pattern)  # text, name, constraint, text, ...
        texts = [[text] for text in parts[::3]]
        choices = [
            (values or {}).get(name) or re.sub(r"\\(.)", r"\1", constraint).split("|")
            for name, constraint in zip(parts[1::3], parts[2::3], strict=True)
        ]
        order = [choice for pair in zip(texts, choices, strict=False) for choice in pair] + [texts[-1]]
        files += map("".join, product(*order))
    return files


def resampled_after(run: Path, resampling: Resampling, remove: bool = False) -> bool:
    """Whether replicates.npz in a run's folder is the rule `resample`'s, and not `train`'s: a trained run has none, or
    one of other resamples, or one that this rule made. Snakemake would take the latter for a change, and train anew:
    its record says whose it is, and where that was not written any more, the file is younger than scores.json, by more
    than Snakemake takes to touch a job's files one after the other.

    One that is broken is as good as none, and is removed if asked to: Snakemake makes it again."""
    if not (scores := run / "scores.json").exists():
        return False
    if not (file := run / REPLICATES).exists():
        return True
    from triplehead.data.archive import REPLICATE_ARRAYS, read_archive  # numpy: for nothing, in a new clone

    try:
        drawn = read_archive(file, REPLICATE_ARRAYS)["drawn"].ravel().tolist()
    except InputError:
        with suppress(OSError):
            if remove:
                file.unlink()
        return True
    younger = file.stat().st_mtime - scores.stat().st_mtime
    return drawn != [resampling.replicates, resampling.seed] or younger > 1 or _rule_of(file) == "resample"


def _rule_of(output: Path) -> str | None:
    """The rule whose job made it, where Snakemake knows."""
    try:
        return json.loads(snakemakes_record("metadata", output).read_text())["rule"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def snakemakes_record(kind: Literal["metadata", "incomplete"], output: Path | str) -> Path:
    """Where Snakemake keeps what it knows of an output's job, or that it has not seen it end."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    *folders, last = (name[start : start + 254] for start in range(0, len(name), 254))  # file systems allow 255
    return Path(".snakemake", kind, *(f"@{each}" for each in folders), last)


def name_runs(plan: Plan) -> None:
    """Let `label` know the rows behind the runs."""
    _LABELS.update({run_id: run_label(plan, run_id) for run_id in plan.all_runs})


def run_label(plan: Plan, run_id: str) -> str:
    """For example "table5: JLA, seed 1": the first row that wants the run."""
    run = plan.all_runs[run_id]
    exhibit, row = run.users[0]
    return f"{exhibit}: {row}, seed {run.spec.seed}"


def label(wildcards: Mapping[str, str] | None) -> str:
    """What a job is about: its run's row, else the values of its wildcards."""
    values = dict(wildcards or {})
    if run := values.pop("run", None):
        values = {"run": _LABELS.get(run, run)} | values
    return " ".join(map(str, values.values()))


def last_lines(log: str | Path, most: int = 8) -> list[str]:
    """The end of a job's log, read from its last 20 kB; of a progress bar's rewritten lines the last."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 20_000))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n") if line.strip()]
    return lines[-most:]
