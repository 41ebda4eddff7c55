"""How Snakemake's jobs find this environment and learn its configuration."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from itertools import product
from typing import Any

from triplehead.errors import InputError

_VARIABLE = "TRIPLEHEAD_CONFIG"


def hand_down(config: dict[str, Any]) -> None:
    """Let child processes run this environment's `triplehead` under this configuration.

    Not by arguments: they would be part of each rule, and a job reruns when its rule's parameters change.
    """
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    os.environ[_VARIABLE] = json.dumps(config)


def handed_down() -> dict[str, Any]:
    return json.loads(os.environ.get(_VARIABLE, "{}"))


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


def declared(rules: Iterable[Any]) -> list[str]:
    """Every file that Snakemake's rules write, logs included, for all values of their wildcards.

    The values are those of the constraints, which are lists here: results/{exhibit,table1|table2}.csv.
    """
    files: list[str] = []
    for pattern in (str(file) for rule in rules for file in (*rule.output, *rule.log)):
        parts = re.split(r"\{\w+,([^}]*)\}", pattern)  # text, values, text, ...
        files += map("".join, product(*(part.split("|") if at % 2 else [part] for at, part in enumerate(parts))))
    return files
