"""Where everything lies, and how a file gets there."""

import os
import shutil
from collections.abc import Iterable, Iterator
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
DIVERGED = "diverged"  # in scores.json: at which iteration the loss or the weights ran away, and how
DIGESTS = "digests"  # below results/: what each job made
RUN_FILES = (  # what training and evaluation leave in a run's folder
    "spec.json",
    "environment.json",
    "model.pt",
    "history.csv",
    "assignments.json.gz",
    "scores.json",
    "detections.json.gz",
    MATCHES,
)
REPORT = (Path("reports/report.pdf"), Path("reports/report.html"))
FIGURE_SUFFIXES = ("pdf", "png")
LOGS = Path("logs")
LOCKS = LOGS / "locks"
SCRATCH = RESULTS / "scratch"  # training state, keyed by run id; no rule declares it
UNLOGGED = "unlogged"  # below results/: runs that MLflow may not have heard out
COUNTS = ("images", "detections")  # in scores.json, beside the scores


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
        with suppress(OSError):  # a disk that refuses may refuse this too
            _remove(temporary)
        raise InputError(path, f"cannot be written ({error.strerror or error})") from error
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, to make it in; it is removed in the end, or by the next, if that was killed.

    Raises InputError where the disk refuses.
    """
    folder = path.with_name(f".{path.name}.work.tmp")
    try:
        _remove(folder)
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            _remove(folder)


def check_places(files: Iterable[str | Path], folders: Iterable[str | Path] = ()) -> None:
    """Raise InputError where a file could not be put: something that is no folder stands on the way to it, a folder
    that cannot be written to, or a folder stands in its own place."""
    files = [os.fspath(file) for file in files]
    checked, existing = set(), set()
    for folder in dict.fromkeys([os.fspath(folder) for folder in folders] + [os.path.dirname(file) for file in files]):
        path = Path(folder)
        nearest = next(each for each in (path, *path.parents) if each.exists() or each.is_symlink())
        if nearest == path:
            existing.add(folder)
        if nearest in checked:
            continue
        checked.add(nearest)
        if not nearest.is_dir():
            raise InputError(nearest, f"is no folder, but {path}/ is to be written; move it away")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise InputError(nearest, f"cannot be written to, but {path}/ is to be")
    for file in files:
        if os.path.dirname(file) in existing and os.path.isdir(file):
            raise InputError(file, "is a folder, but a file of this name is to be written; move it away")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
