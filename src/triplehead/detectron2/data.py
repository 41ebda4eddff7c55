"""A run's images by detectron2's catalog, mapper and loaders."""

from collections.abc import Iterator
from typing import Any

import detectron2.data.transforms as T
import numpy as np
from detectron2.data import (
    DatasetCatalog,
    DatasetMapper,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectron2.data.datasets import load_coco_json
from torch.utils.data import DataLoader, Dataset, Sampler

from triplehead.data.dataset import DetectionDataset
from triplehead.data.loader import batch_samples, stream, workers
from triplehead.detectron2.contract import FORMAT
from triplehead.plan.runs import RunSpec

_DRAW = 2  # stream of random numbers; those of data/loader.py come before


def register(dataset: DetectionDataset) -> str:
    """The name under which detectron2 knows a data set of COCO's layout; its annotations' path, so that one name is
    one file."""
    name = f"triplehead:{dataset.annotations}"
    if name not in DatasetCatalog.list():
        DatasetCatalog.register(name, lambda: load_coco_json(str(dataset.annotations), str(dataset.images), name))
        MetadataCatalog.get(name).set(
            json_file=str(dataset.annotations), image_root=str(dataset.images), evaluator_type="coco"
        )
    return name


def train_loader(spec: RunSpec, dataset: DetectionDataset, start: int, stop: int, num_workers: int = 0) -> DataLoader:
    """detectron2's training loader over batches `start` .. `stop` - 1 of a run.

    Its own sampler keeps no position, so a training that goes on would see other images. Here batch i depends on
    (seed, i) alone, as in this suite's loader, and holds the same images; what the augmentations draw depends on the
    seed and the sample's position.
    """
    schedule, size = spec.schedule, spec.input
    low, high = schedule.short_range or (size.short, size.short)
    mapper = DatasetMapper(
        is_train=True,
        augmentations=[
            T.ResizeShortestEdge((low, high), size.long, "range"),
            T.RandomFlip(prob=size.flip, horizontal=True),
        ],
        image_format=FORMAT,
    )
    positions = _Positions(spec, dataset)
    first, last = start * schedule.batch_size, stop * schedule.batch_size
    return build_detection_train_loader(
        positions,
        mapper=_Drawn(mapper, spec.seed),
        sampler=_Range(first, last),
        total_batch_size=schedule.batch_size,
        aspect_ratio_grouping=False,  # done by the order of the batches, where the schedule asks for it
        num_workers=workers(num_workers),
    )


def test_loader(spec: RunSpec, dataset: DetectionDataset, num_workers: int = 0) -> DataLoader:
    """detectron2's test loader: every image, one at a time."""
    mapper = DatasetMapper(
        is_train=False,
        augmentations=[T.ResizeShortestEdge(spec.input.short, spec.input.long)],
        image_format=FORMAT,
    )
    return build_detection_test_loader(_records(dataset), mapper=mapper, num_workers=workers(num_workers))


def _records(dataset: DetectionDataset) -> list[dict[str, Any]]:
    """detectron2's dicts in the data set's own order, images without objects included."""
    by_id = {record["image_id"]: record for record in DatasetCatalog.get(register(dataset))}
    return [by_id[image_id] for image_id in dataset.image_ids]


class _Positions(Dataset):
    """Position in the run -> detectron2's dict of the image there, with `position`."""

    def __init__(self, spec: RunSpec, dataset: DetectionDataset):
        schedule = spec.schedule
        self.records, self.batch_size = _records(dataset), schedule.batch_size
        self.samples = batch_samples(dataset, schedule.batch_size, spec.seed, schedule.group_by_aspect)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, position: int) -> dict[str, Any]:
        found, index = self.samples(position // self.batch_size)[position % self.batch_size]
        return self.records[index] | {"position": found}


class _Range(Sampler):
    def __init__(self, first: int, last: int):
        self.first, self.last = first, last

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.last))

    def __len__(self) -> int:
        return self.last - self.first


class _Drawn:
    """A mapper whose augmentations, which draw from numpy's global generator, depend on (seed, position) alone."""

    def __init__(self, mapper: DatasetMapper, seed: int):
        self.mapper, self.seed = mapper, seed

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        kept = np.random.get_state()
        np.random.seed(stream(_DRAW, self.seed, record["position"]) % 2**32)
        try:
            return self.mapper(record)
        finally:
            np.random.set_state(kept)
