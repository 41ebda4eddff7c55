"""Whether a data set is the official one, by its counts."""

from typing import NamedTuple

from triplehead.data.dataset import DetectionDataset
from triplehead.errors import InputError
from triplehead.plan.datasets import DatasetFile, Part
from triplehead.plan.options import Folder


class Counts(NamedTuple):
    """Images; objects of the data set's classes; those of them that evaluation does not ignore."""

    images: int
    objects: int
    counted: int


def count(dataset: DetectionDataset) -> Counts:
    truth = dataset.truth()
    return Counts(len(truth), sum(len(each.labels) for each in truth), sum(int((~each.ignore).sum()) for each in truth))


def differences(found: Counts, official: Part | None) -> list[str]:
    """What differs from the official counts, as far as they are published."""
    pairs = [(name, getattr(official, name, None), number) for name, number in found._asdict().items()]
    return [
        f"{number:,} {'objects that count' if name == 'counted' else name}, expected {expected:,}"
        for name, expected, number in pairs
        if expected not in (None, number)
    ]


def demand_official(dataset: DetectionDataset, data: Folder, split: str, declared: DatasetFile) -> None:
    """Raise InputError where a split has other counts than the official one; other images are not judged."""
    parts = data.parts(split)
    if wrong := differences(count(dataset), declared.official(parts)):
        problem = f"the {split} split has {'; '.join(wrong)} ({declared.title}, {' and '.join(parts)})"
        raise InputError(dataset.annotations, f"{problem}; data_complete=false takes it as it is")
