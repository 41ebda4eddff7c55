"""Batches by number: sample n of a run depends on (seed, n) alone, whoever computes it.

So a run resumed at iteration i sees what the uninterrupted one would have seen, with any number of workers.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from triplehead.data.dataset import DetectionDataset, Target
from triplehead.errors import InputError

Transform = Callable[[torch.Tensor, Target], tuple[torch.Tensor, Target]]
Batch = tuple[list[torch.Tensor], list[Target]]

_ORDER, _AUGMENT = 0, 1  # streams of random numbers


def stream(*key: int) -> int:
    """A seed that depends on all numbers of `key`, well mixed."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


@lru_cache(maxsize=2)
def order(seed: int, epoch: int, size: int) -> torch.Tensor:
    """The permutation [size] of an epoch."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(stream(_ORDER, seed, epoch)))


def sample_index(seed: int, position: int, size: int) -> int:
    """Which image is sample `position` of a run: each once in every epoch of `size` samples."""
    return int(order(seed, position // size, size)[position % size])


def train_loader(
    dataset: DetectionDataset,
    transform: Transform,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Batches `start` .. `stop` - 1 of a run: (images, targets), `batch_size` each.

    Leaves torch's global random state as it was. Raises InputError where the set is empty or an image broken.
    """
    if not len(dataset):
        raise InputError(dataset.annotations, "holds no images to train on")
    batches = _TrainBatches(dataset, transform, batch_size, seed)
    return _in_order(batches, range(start, stop), num_workers)


def eval_loader(
    dataset: DetectionDataset, transform: Transform, batch_size: int, num_workers: int = 0
) -> Iterator[Batch]:
    """All images once, in the file's order; the last batch may be smaller."""
    batches = _EvalBatches(dataset, transform, batch_size)
    return _in_order(batches, range(-(-len(dataset) // batch_size)), num_workers)


class _TrainBatches(Dataset):
    def __init__(self, dataset: DetectionDataset, transform: Transform, batch_size: int, seed: int):
        self.dataset, self.transform, self.batch_size, self.seed = dataset, transform, batch_size, seed

    def __getitem__(self, batch: int) -> Batch:
        positions = range(batch * self.batch_size, (batch + 1) * self.batch_size)
        return _collate([self._sample(position) for position in positions])

    def _sample(self, position: int) -> tuple[torch.Tensor, Target]:
        image, target = self.dataset[sample_index(self.seed, position, len(self.dataset))]
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: that would reset the generators of the GPUs as well.
            torch.default_generator.manual_seed(stream(_AUGMENT, self.seed, position))
            return self.transform(image, target)


class _EvalBatches(Dataset):
    def __init__(self, dataset: DetectionDataset, transform: Transform, batch_size: int):
        self.dataset, self.transform, self.batch_size = dataset, transform, batch_size

    def __getitem__(self, batch: int) -> Batch:
        first = batch * self.batch_size
        last = min(first + self.batch_size, len(self.dataset))
        return _collate([self.transform(*self.dataset[index]) for index in range(first, last)])


class _Guarded(Dataset):
    """Hands an InputError over as a value: a worker process could not raise it in ours as it is."""

    def __init__(self, batches: Dataset):
        self.batches = batches

    def __getitem__(self, batch: int) -> Batch | str:
        try:
            return self.batches[batch]
        except InputError as error:
            return str(error)


def _in_order(batches: Dataset, numbers: range, num_workers: int) -> Iterator[Batch]:
    if not num_workers:
        yield from (batches[number] for number in numbers)
        return
    loader = DataLoader(
        _Guarded(batches),
        batch_size=None,
        sampler=numbers,
        num_workers=num_workers,
        collate_fn=_as_is,
        generator=torch.Generator(),  # else it takes a number from the global one
    )
    for batch in loader:
        if isinstance(batch, str):
            raise InputError(*batch.split(": ", 1))
        yield batch


def _as_is(batch: Batch) -> Batch:
    return batch


def _collate(samples: list[tuple[torch.Tensor, Target]]) -> Batch:
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)
