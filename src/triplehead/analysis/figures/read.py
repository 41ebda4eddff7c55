"""The files of a run that figures are drawn from; one that is missing or broken is named."""

from pathlib import Path
from typing import Any

import pandas as pd

from triplehead.data.dataset import DetectionDataset
from triplehead.data.results import detections
from triplehead.errors import InputError
from triplehead.reading import read_json


def read_history(path: Path) -> pd.DataFrame:
    """A run's history.csv: iteration, lr and one column a loss. Raises InputError naming the file."""
    try:
        history = pd.read_csv(path, index_col=False)
    except FileNotFoundError:
        raise InputError(path, "no such file: the run has not been trained") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"is no table ({error})") from None
    if "iteration" not in history or history.empty:
        raise InputError(path, "expected a column 'iteration' and at least one line")
    for name in history:
        if history[name].dtype.kind not in "iuf":
            raise InputError(path, f"{name}: expected numbers")
    iteration = history["iteration"]
    if iteration.dtype.kind == "f" or not (iteration.is_monotonic_increasing and iteration.is_unique):
        raise InputError(path, "iteration: expected whole numbers, each larger than the one before")
    return history


def read_assignments(path: Path, may_be_empty: bool = False) -> list[dict[str, Any]]:
    """The snapshots that engine.snapshots wrote, at least one unless `may_be_empty`. Raises InputError naming the
    file."""
    snapshots = read_json(path, "no such file: the run has not been trained", "expected gzipped snapshots")
    if not isinstance(snapshots, list) or not all(
        isinstance(snapshot, dict) and {"iteration", "images"} <= snapshot.keys() for snapshot in snapshots
    ):
        raise InputError(path, "expected a list of snapshots with iteration and images")
    if not snapshots and not may_be_empty:
        raise InputError(path, "holds no snapshots: only a dense detector assigns points")
    return snapshots


def read_results(path: Path, dataset: DetectionDataset) -> list[dict[str, Any]]:
    """COCO's results on the images of `dataset`. Raises InputError naming the file."""
    results = read_json(path, "no such file: the run has not been evaluated", "expected gzipped COCO results")
    try:
        detections(results, dataset.truth(), dataset.categories)
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(path, f"expected COCO results on the validation images ({error})") from None
    return results
