import pytest
import torch

from triplehead.data.loader import eval_loader, order, sample_index, train_loader
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
