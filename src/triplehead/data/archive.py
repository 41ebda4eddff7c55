"""Arrays in one compressed file: .npz as numpy reads it, without pickle, the same bytes for the same arrays."""

import io
import zipfile
from pathlib import Path

import numpy as np

from triplehead.errors import InputError
from triplehead.paths import atomic

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold; numpy's own writer puts in the time of day


def write_archive(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write `arrays` by name; atomically. Raises InputError where the disk refuses."""
    with atomic(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), content.getvalue(), zipfile.ZIP_DEFLATED, 6)


def read_archive(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The named arrays. Raises InputError for a file that is missing, broken, or lacks one."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except FileNotFoundError:
        raise InputError(path, "no such file: the run has not been evaluated") from None
    except KeyError as error:
        raise InputError(path, f"lacks {error.args[0]}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, f"cannot be read as .npz ({error})") from None
