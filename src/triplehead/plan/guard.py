"""One folder of results is for one scale, and remembers the configuration of the study that it holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triplehead.errors import InputError
from triplehead.paths import RESULTS, atomic
from triplehead.plan.overrides import TRIED
from triplehead.plan.schema import Config

LONGEST = 4096  # of a name or path
REMEMBERED = "config.json"  # below results/
# What is about one start of a study, or may hold a password.
FORGOTTEN = ("other_scale", "download", "download_weights", "data_mirror", "tracking_uri")
# What is not remembered once a command names the scale: a trial's settings are no part of a scale, nor is its machine.
# But whether the data are a sample: that is so whatever a command asks for.
OF_A_TRIAL = (
    *(key for key in TRIED if key != "data_complete"),
    "accelerator",
    "devices",
    "micro_batch",
    "runs_per_gpu",
)


def check_scale(config: Config, results: Path = RESULTS) -> None:
    """Raise InputError where `results` holds another scale's tables, unless `other_scale` says that they may go.

    Runs of all scales lie side by side; tables, figures, claims, measured speed and the report are of one.
    """
    found = remembered(results).get("scale")
    if found not in (None, config.scale) and config.other_scale == "refuse":
        raise InputError(
            "scale",
            f"found {config.scale}, but {results}/ is for scale {found}, whose tables it would replace; use another "
            "clone, move it away, or add other_scale=replace (runs are kept)",
        )


def remembered(results: Path = RESULTS) -> dict[str, Any]:
    """What the study in `results` was last started with: its scale, and what `--config` said. Empty where nothing was
    made yet. Raises InputError if the file is broken."""
    path = results / REMEMBERED
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        texts = [found["scale"], found.get("extra") or ""]
        sound = all(isinstance(text, str) and len(text) < LONGEST for text in texts)
        sound = sound and found.keys() <= Config.model_fields.keys() - {*FORGOTTEN}
    except (FileNotFoundError, NotADirectoryError):
        return {}  # a results that is no folder is told of with the other places
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(path, 'expected {"scale": name} and keys of --config; delete it if its tables may be replaced')
    return found


def remember(config: Config, given: Mapping[str, Any], results: Path = RESULTS) -> None:
    """Note what `results` is for, before anything of it is made. `given`: what `--config` says."""
    kept = {"scale": config.scale} | {key: given[key] for key in sorted(given) if key not in {"scale", *FORGOTTEN}}
    with atomic(results / REMEMBERED) as file:
        file.write_text(json.dumps(kept, ensure_ascii=False) + "\n", encoding="utf-8")
