"""How Snakemake's jobs find this environment and learn its configuration."""

import json
import os
import sys
from typing import Any

_VARIABLE = "TRIPLEHEAD_CONFIG"


def hand_down(config: dict[str, Any]) -> None:
    """Let child processes run this environment's `triplehead` under this configuration.

    Not by arguments: they would be part of each rule, and a job reruns when its rule's parameters change.
    """
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    os.environ[_VARIABLE] = json.dumps(config)


def handed_down() -> dict[str, Any]:
    return json.loads(os.environ.get(_VARIABLE, "{}"))
