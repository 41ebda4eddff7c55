"""Where everything lies, and how a file gets there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from triplehead.errors import InputError

EXPERIMENTS = Path("experiments")
RESULTS = Path("results")
RUNS = RESULTS / "runs"
DATA = RESULTS / "data"
PRETRAINED = RESULTS / "pretrained"
MATCHES = "matches.npz"  # in a run's folder: how its detections fared, image by image
REPLICATES = "replicates.npz"  # beside it: the scores under resamples of the images
TESTDEV = "testdev.json"  # in a run's folder: what COCO's server measured
LOCKS = Path("logs/locks")
SCRATCH = RESULTS / "scratch"  # training state, keyed by run id; no rule declares it


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; move it into place if the block succeeds, else remove it.

    The temporary name is fixed per target, so what a killed process left is overwritten, not piled up.
    Raises InputError where the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        yield temporary
        if temporary.is_dir() and not temporary.is_symlink():  # a folder replaces no folder that holds something
            _remove(path)
        os.replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        raise InputError(path, f"cannot be written ({error.strerror or error})") from error
    except BaseException:
        _remove(temporary)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
