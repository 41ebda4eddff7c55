"""How each detection fared against the boxes of its own image: all that average precision needs, image by image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

from triplehead.data.archive import read_archive, write_archive
from triplehead.errors import InputError

TRUE, FALSE, NEITHER = 1, 0, -1
Protocol = Literal["coco", "voc", "visdrone"]


@dataclass(frozen=True)
class Matches:
    """One run on N images of K classes, at T IoU thresholds (.50:.05:.95) and A ranges of object size.

    Detections stand by class, best score first: the order in which precision is counted; scores themselves are not
    needed. All three protocols match within an image, so that an image taken twice brings its outcomes twice.

    image: int32 [D]; label: int16 [D]; outcome: int8 [A, T, D], TRUE, FALSE or NEITHER; positives: int32 [A, N, K],
    the objects to be found. A is 4 for COCO (all, small, medium, large), else 1.
    """

    protocol: Protocol
    image: np.ndarray
    label: np.ndarray
    outcome: np.ndarray
    positives: np.ndarray

    @property
    def num_images(self) -> int:
        """Of the whole validation split, images without detections included."""
        return self.positives.shape[1]


def by_class(
    protocol: Protocol, image: np.ndarray, label: np.ndarray, outcome: np.ndarray, positives: np.ndarray
) -> Matches:
    """Matches of detections that stand best score first."""
    order = np.argsort(label, kind="stable")
    return Matches(
        protocol,
        image[order].astype(np.int32),
        label[order].astype(np.int16),
        outcome[..., order].astype(np.int8),
        positives.astype(np.int32),
    )


def write_matches(path: Path, matches: Matches) -> None:
    """A small compressed file, the same bytes for the same matches."""
    write_archive(path, vars(matches))


def read_matches(path: Path) -> Matches:
    """Raises InputError for a file that is missing, broken or inconsistent."""
    content = read_archive(path, ("protocol", "image", "label", "outcome", "positives"))
    found = Matches(cast(Protocol, str(content.pop("protocol"))), **content)
    if found.protocol not in get_args(Protocol) or not _consistent(found):
        raise InputError(path, "is inconsistent; evaluate the run again")
    return found


def _consistent(found: Matches) -> bool:
    if found.outcome.ndim != 3 or found.positives.ndim != 3 or found.image.ndim != 1:
        return False
    detections, (sizes, images, classes) = len(found.image), found.positives.shape
    if (found.outcome.shape[0], found.outcome.shape[2], found.label.shape) != (sizes, detections, (detections,)):
        return False
    ends = ((found.image, images), (found.label, classes))
    inside = all(np.all((each >= 0) & (each < end)) for each, end in ends)
    return inside and bool(np.all(np.diff(found.label) >= 0))
