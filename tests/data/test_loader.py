import os
import warnings

import pytest
import torch

from triplehead.data.loader import _TrainBatches, eval_loader, order, sample_index, train_loader, workers
from triplehead.data.transforms import EvalTransform, TrainTransform
from triplehead.errors import InputError
from triplehead.plan.options import Input

TRAIN = TrainTransform(Input(short=64, long=64))
EVAL = EvalTransform(Input(short=128, long=128))


def batches(dataset, start, stop, seed=3, num_workers=0, batch_size=5):
    return list(train_loader(dataset, TRAIN, batch_size, seed, start, stop, num_workers))


def assert_equal(first, second):
    assert len(first) == len(second)
    for (images, targets), (others, other_targets) in zip(first, second, strict=True):
        for image, other in zip(images, others, strict=True):
            assert torch.equal(image, other)
        for target, other in zip(targets, other_targets, strict=True):
            assert target["image_id"] == other["image_id"]
            assert torch.equal(target["boxes"], other["boxes"])
            assert torch.equal(target["labels"], other["labels"])


def test_a_batch_is_the_same_whatever_the_start(train_scenes):
    whole = batches(train_scenes, 0, 8)
    assert_equal(whole[6:], batches(train_scenes, 6, 8))
    assert len(whole) == 8


def test_a_batch_is_the_same_whatever_the_number_of_workers(train_scenes):
    assert_equal(batches(train_scenes, 2, 6), batches(train_scenes, 2, 6, num_workers=2))


def test_no_more_workers_than_cores(train_scenes, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert workers(4) == 1 and workers(0) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's, of more workers than cores
        assert_equal(batches(train_scenes, 0, 2), batches(train_scenes, 0, 2, num_workers=2))


def test_another_seed_gives_other_batches(train_scenes):
    first, second = (
        [target["image_id"] for _, targets in batches(train_scenes, 0, 4, seed) for target in targets]
        for seed in (3, 4)
    )
    assert first != second


def test_an_epoch_shows_every_image_once_and_epochs_differ():
    epochs = [[sample_index(1, epoch * 24 + n, 24) for n in range(24)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(24)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert order(1, 0, 24).tolist() == epochs[0]


def test_the_same_image_is_augmented_anew_in_each_epoch(train_scenes):
    seen: dict[int, set] = {}
    for images, targets in batches(train_scenes, 0, 30, batch_size=8):
        for image, target in zip(images, targets, strict=True):
            seen.setdefault(target["image_id"], set()).add(image.numpy().tobytes())
    assert len(seen) == 24
    assert {len(looks) for looks in seen.values()} <= {1, 2}  # as it is, or flipped
    assert sum(len(looks) == 2 for looks in seen.values()) > 18


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_global_random_state_is_left_alone(train_scenes, num_workers):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    batches(train_scenes, 0, 2, num_workers=num_workers)
    list(eval_loader(train_scenes, EVAL, 8, num_workers))
    assert torch.equal(torch.rand(3), expected)


def test_the_global_random_state_has_no_influence(train_scenes):
    torch.manual_seed(1)
    first = batches(train_scenes, 0, 2)
    torch.manual_seed(2)
    assert_equal(first, batches(train_scenes, 0, 2))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_eval_loader_goes_in_order(train_scenes, num_workers):
    found = list(eval_loader(train_scenes, EVAL, 7, num_workers))
    assert [len(images) for images, _ in found] == [7, 7, 7, 3]
    assert [target["image_id"] for _, targets in found for target in targets] == train_scenes.image_ids
    torch.testing.assert_close(found[0][0][0], train_scenes[0][0].float() / 255)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_broken_image_is_an_input_error_from_workers_too(tiny, num_workers):
    dataset = tiny.open()
    (tiny.images / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"b\.png: is not a readable image"):
        list(train_loader(dataset, TRAIN, 3, 0, 0, 1, num_workers))


def test_no_images(tiny):
    tiny.content |= {"images": [], "annotations": []}
    with pytest.raises(InputError, match="no images"):
        train_loader(tiny.open(), TRAIN, 2, 0, 0, 1)


@pytest.fixture
def mixed(tiny):
    """Landscapes and portraits, five to two; sizes that differ."""
    dataset = tiny.open()
    dataset.sizes = [(48, 64), (64, 48), (40, 64), (64, 64), (30, 60), (80, 40), (50, 60)]
    dataset.entries = tuple(dataset.entries[index % len(dataset.entries)] for index in range(7))
    return dataset


def grouped(dataset, size=3):
    return _TrainBatches(dataset, TRAIN, size, 3, True, (0, 1))


def test_grouped_batches_hold_one_orientation_each_in_its_share(mixed):
    batches, portraits = grouped(mixed), {1, 5}
    chosen = [[index for _, index in batches._indices(number)] for number in range(70)]
    kinds = [{index in portraits for index in batch} for batch in chosen]
    assert all(len(kind) == 1 for kind in kinds)
    for count in range(1, 71):
        assert abs(sum(kind == {True} for kind in kinds[:count]) - count * 2 / 7) <= 1
    for portrait in (True, False):  # within a group every image comes equally often
        seen = [index for batch in chosen for index in batch if (index in portraits) == portrait]
        assert max(seen.count(index) for index in seen) - min(seen.count(index) for index in seen) <= 1


def test_a_grouped_batch_depends_on_its_number_alone(mixed):
    forwards = [grouped(mixed)._indices(number) for number in range(20)]
    backwards = [grouped(mixed)._indices(number) for number in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert [position for position, _ in forwards[4]] == [12, 13, 14]


@pytest.mark.parametrize("sizes", [[(40, 60)] * 7, [(60, 40)] * 7])
def test_one_orientation_alone_is_no_problem(mixed, sizes):
    mixed.sizes = sizes
    seen = [index for number in range(7) for _, index in grouped(mixed)._indices(number)]
    assert sorted(seen) == sorted(list(range(7)) * 3)


def test_parts_make_the_whole_batch_and_know_its_shape(train_scenes):
    transform = TrainTransform(Input(short=64, long=96), short_range=(40, 64))
    ((images, targets),) = train_loader(train_scenes, transform, 6, 3, 4, 5)
    assert len({image.shape for image in images}) > 1
    shape = tuple(max(image.shape[axis] for image in images) for axis in (1, 2))
    assert {target["batch_shape"] for target in targets} == {shape}
    parts = [next(train_loader(train_scenes, transform, 6, 3, 4, 5, part=(number, 4))) for number in range(4)]
    assert [len(part) for part, _ in parts] == [2, 2, 1, 1]
    assert_equal(
        [(images, targets)], [([i for part in parts for i in part[0]], [t for part in parts for t in part[1]])]
    )
    assert {target["batch_shape"] for _, part in parts for target in part} == {shape}


def test_multi_scale_draws_every_size_and_the_flip_does_not_follow_it(train_scenes):
    transform = TrainTransform(Input(short=64, long=96), short_range=(60, 64))
    sides = [image.shape[1] for images, _ in train_loader(train_scenes, transform, 8, 3, 0, 20) for image in images]
    assert set(sides) == {60, 61, 62, 63, 64}
    assert all(20 <= sides.count(side) <= 45 for side in set(sides))
