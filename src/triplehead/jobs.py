"""How Snakemake's jobs find this environment and learn its configuration."""

import json
import os
import shutil
import subprocess
import sys
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
