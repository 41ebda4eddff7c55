"""How Snakemake's jobs find this environment and learn its configuration."""

import json
import os
import re
import sys
from collections.abc import Iterable
from itertools import product
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


def declared(rules: Iterable[Any]) -> list[str]:
    """Every file that Snakemake's rules write, logs included, for all values of their wildcards.

    The values are those of the constraints, which are lists here: results/{exhibit,table1|table2}.csv.
    """
    files: list[str] = []
    for pattern in (str(file) for rule in rules for file in (*rule.output, *rule.log)):
        parts = re.split(r"\{\w+,([^}]*)\}", pattern)  # text, values, text, ...
        files += map("".join, product(*(part.split("|") if at % 2 else [part] for at, part in enumerate(parts))))
    return files
