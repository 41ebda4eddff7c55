"""Arrays in one compressed file: .npz as numpy reads it, without pickle, the same bytes for the same arrays."""

import io
import zipfile
from pathlib import Path

import numpy as np

from triplehead.errors import InputError
from triplehead.paths import atomic

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold; numpy's own writer puts in the time of day

REPLICATE_ARRAYS = ("data", "drawn", "num_images", "metrics", "scores", "replicates")  # of replicates.npz


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
        with zipfile.ZipFile(path) as archive:
            if lacking := {f"{name}.npy" for name in names}.difference(archive.namelist()):
                raise InputError(path, f"lacks {min(lacking).removesuffix('.npy')}")
            # Whole first, which holds them against their checksums: a changed byte is never taken for a number.
            contents = {name: io.BytesIO(archive.read(f"{name}.npy")) for name in names}
        return {name: np.lib.format.read_array(each, allow_pickle=False) for name, each in contents.items()}
    except FileNotFoundError:
        raise InputError(path, "no such file: the run has not been evaluated") from None
    except InputError:
        raise
    except Exception as error:  # broken bytes: of a dozen types
        raise InputError(path, f"cannot be read as .npz ({error or type(error).__name__})") from None
