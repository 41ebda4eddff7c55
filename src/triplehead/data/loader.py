"""Batches by number: sample n of a run depends on (seed, n) alone, whoever computes it.

So a run resumed at iteration i sees what the uninterrupted one would have seen, with any number of workers and of
devices that share a batch.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from triplehead.data.dataset import DetectionDataset, Target
from triplehead.data.transforms import EvalTransform, TrainTransform, scaled_size
from triplehead.errors import InputError
from triplehead.plan.options import Input
from triplehead.plan.shares import cut

Batch = tuple[list[torch.Tensor], list[Target]]

_ORDER, _AUGMENT = 0, 1  # streams of random numbers


def stream(*key: int) -> int:
    """A seed that depends on all numbers of `key`, well mixed."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


@lru_cache(maxsize=4)
def order(seed: int, epoch: int, size: int, *group: int) -> torch.Tensor:
    """The permutation [size] of an epoch."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(stream(_ORDER, seed, epoch, *group)))


def sample_index(seed: int, position: int, size: int, *group: int) -> int:
    """Which image is sample `position` of a run: each once in every epoch of `size` samples."""
    return int(order(seed, position // size, size, *group)[position % size])


def train_loader(
    dataset: DetectionDataset,
    transform: TrainTransform,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
    num_workers: int = 0,
    group_by_aspect: bool = False,
    part: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches `start` .. `stop` - 1 of a run: (images, targets), `batch_size` each.

    part: (number, of how many) of the parts of each batch, equal to within an image, to give, for devices that share
    it. A target's `batch_shape` is the (height, width) that the largest sides of the whole batch need. group_by_aspect:
    a batch holds only landscapes or only portraits, either in its share of the images. Leaves torch's global random
    state as it was. Raises InputError where the set is empty or an image broken.
    """
    if not len(dataset):
        raise InputError(dataset.annotations, "holds no images to train on")
    batches = _TrainBatches(dataset, transform, batch_size, seed, group_by_aspect, part)
    return _in_order(batches, range(start, stop), num_workers)


def batch_samples(
    dataset: DetectionDataset, batch_size: int, seed: int, group_by_aspect: bool
) -> Callable[[int], list[tuple[int, int]]]:
    """Number of a batch -> (position in the run, index of the image) of its samples, for who reads them otherwise."""
    return _TrainBatches(dataset, TrainTransform(Input()), batch_size, seed, group_by_aspect, (0, 1))._indices


def eval_loader(
    dataset: DetectionDataset, transform: EvalTransform, batch_size: int, num_workers: int = 0
) -> Iterator[Batch]:
    """All images once, in the file's order; the last batch may be smaller."""
    batches = _EvalBatches(dataset, transform, batch_size)
    return _in_order(batches, range(-(-len(dataset) // batch_size)), num_workers)


class _TrainBatches(Dataset):
    def __init__(
        self,
        dataset: DetectionDataset,
        transform: TrainTransform,
        batch_size: int,
        seed: int,
        group_by_aspect: bool,
        part: tuple[int, int],
    ):
        self.dataset, self.transform, self.batch_size, self.seed = dataset, transform, batch_size, seed
        self.part = part
        self.groups = [np.arange(len(dataset))]
        if group_by_aspect:
            landscape = dataset.aspect_ratios >= 1
            self.groups = [np.flatnonzero(landscape), np.flatnonzero(~landscape)]

    def __getitem__(self, batch: int) -> Batch:
        number, parts = self.part
        samples = self._indices(batch)
        shape = self._shape(samples)
        mine = samples[cut(self.batch_size, parts)[number]]
        return _collate([self._sample(position, index, shape) for position, index in mine])

    def _indices(self, batch: int) -> list[tuple[int, int]]:
        """(position in the run, index of the image) of a batch's samples.

        Groups take turns so that after any number of batches each had its share of them, to within one; within a
        group every image comes once an epoch of its own.
        """
        size, total = self.batch_size, len(self.dataset)
        first = len(self.groups[0])
        before = batch * first // total  # batches of the first group until here
        chosen = 0 if (batch + 1) * first // total > before else 1
        number = before if chosen == 0 else batch - before
        group = self.groups[chosen]
        key = (chosen,) if len(self.groups) > 1 else ()
        return [
            (batch * size + n, int(group[sample_index(self.seed, number * size + n, len(group), *key)]))
            for n in range(size)
        ]

    def _shape(self, samples: list[tuple[int, int]]) -> tuple[int, int]:
        """Height and width that hold every image of a batch; nothing is decoded for it."""
        sizes = []
        for position, index in samples:
            with self._drawing(position):
                short = self.transform.short()
            sizes.append(scaled_size(*self.dataset.sizes[index], short, self.transform.options.long))
        return max(height for height, _ in sizes), max(width for _, width in sizes)

    def _sample(self, position: int, index: int, shape: tuple[int, int]) -> tuple[torch.Tensor, Target]:
        image, target = self.dataset[index]
        with self._drawing(position):
            image, target = self.transform(image, target)
        return image, target | {"batch_shape": shape}

    @contextmanager
    def _drawing(self, position: int) -> Iterator[None]:
        """What is drawn inside depends on (seed, position) alone."""
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: that would reset the generators of the GPUs as well.
            torch.default_generator.manual_seed(stream(_AUGMENT, self.seed, position))
            yield


class _EvalBatches(Dataset):
    def __init__(self, dataset: DetectionDataset, transform: EvalTransform, batch_size: int):
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


def workers(asked: int) -> int:
    """Worker processes of a loader: those that are asked for, as far as this process has cores for them."""
    return min(asked, len(os.sched_getaffinity(0)))


def _in_order(batches: Dataset, numbers: range, num_workers: int) -> Iterator[Batch]:
    if not num_workers:
        yield from (batches[number] for number in numbers)
        return
    loader = DataLoader(
        _Guarded(batches),
        batch_size=None,
        sampler=numbers,
        num_workers=workers(num_workers),
        collate_fn=_as_is,
        generator=torch.Generator(),  # else it takes a number from the global one
    )
    for batch in loader:
        if isinstance(batch, str):
            raise InputError(*batch.split(": ", 1))
        yield batch


def _as_is(batch: Any) -> Any:
    return batch


def _collate(samples: list[tuple[torch.Tensor, Target]]) -> Batch:
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)
