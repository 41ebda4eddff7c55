"""One folder of results is for one scale."""

import json
from pathlib import Path

from triplehead.errors import InputError
from triplehead.paths import RESULTS, atomic
from triplehead.plan.schema import Config

REMEMBERED = "scale.json"  # below results/


def check_scale(config: Config, results: Path = RESULTS) -> None:
    """Raise InputError where `results` holds another scale's tables, unless `other_scale` says that they may go.

    Runs of all scales lie side by side; tables, figures, claims, measured speed and the report are of one.
    """
    found = remembered(results)
    if found not in (None, config.scale) and config.other_scale == "refuse":
        raise InputError(
            "scale",
            f"found {config.scale}, but {results}/ is for scale {found}, whose tables it would replace; use another "
            "clone, move it away, or add other_scale=replace (runs are kept)",
        )


def remembered(results: Path = RESULTS) -> str | None:
    """The scale whose tables `results` holds; None where nothing was made yet. Raises InputError if that is broken."""
    path = results / REMEMBERED
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["scale"]
    except (FileNotFoundError, NotADirectoryError):
        return None  # a results that is no folder is told of with the other places
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str):
        raise InputError(path, 'expected {"scale": name}; delete it if its tables may be replaced')
    return found


def remember_scale(config: Config, results: Path = RESULTS) -> None:
    """Note that `results` is for the configured scale, before anything of it is made."""
    with atomic(results / REMEMBERED) as file:
        file.write_text(json.dumps({"scale": config.scale}) + "\n", encoding="utf-8")
