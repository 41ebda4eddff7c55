"""Files that were changed in the future: a clock was set back since, or another machine's is ahead.

Snakemake takes a job for failed, or makes it again each time, whose outputs are older than its inputs.
"""

import os
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from triplehead.errors import InputError

TOLERATED = 1.0  # seconds


def bring_back(files: Iterable[str | Path]) -> int:
    """Date those of the future to now, all alike, so that none is newer than another; how many there were. Raises
    InputError where that is not permitted."""
    now, count = time.time(), 0
    for file in files:
        try:
            if os.stat(file).st_mtime <= now + TOLERATED:
                continue
            os.utime(file, (now, now))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(file, f"was changed in the future, and cannot be dated anew ({error.strerror})") from None
        count += 1
    return count


def check_past(file: Path) -> None:
    """Raise InputError for a file of the user's, which nothing here may change, that was changed in the future."""
    if (changed := file.stat().st_mtime) > time.time() + TOLERATED:
        problem = f"was last changed in the future ({datetime.fromtimestamp(changed):%Y-%m-%d %H:%M}): "
        raise InputError(file, problem + "set the clock of this machine, or `touch` the file")
