import numpy as np
import pytest
import torch

from triplehead.data.crops import Crops, window
from triplehead.errors import InputError


def test_a_batch(train_scenes):
    crops, labels = Crops(train_scenes, size=16, batch_size=6, seed=0).batch(3)
    assert (crops.dtype, tuple(crops.shape)) == (torch.float32, (6, 3, 16, 16))
    assert 0 <= float(crops.min()) < 0.5 < float(crops.max()) <= 1
    assert labels.dtype == torch.int64


def test_a_batch_depends_on_seed_and_number_alone(train_scenes):
    one, two = (Crops(train_scenes, 16, 6, seed=4) for _ in range(2))
    two.batch(0)
    assert all(torch.equal(a, b) for a, b in zip(one.batch(9), two.batch(9), strict=True))
    assert not torch.equal(one.batch(9)[0], one.batch(10)[0])
    assert not torch.equal(one.batch(9)[0], Crops(train_scenes, 16, 6, seed=5).batch(9)[0])


def test_labels_belong_to_their_crops(tiny):
    """Each box of the set is filled with its label's colour."""
    dataset = tiny.open(cache=True)
    for index in range(2):
        image, target = dataset[index]
        for box, label in zip(target["boxes"].int().tolist(), target["labels"].tolist(), strict=True):
            if label:
                image[:, box[1] : box[3], box[0] : box[2]] = 100 * label
    crops, labels = Crops(dataset, 16, 40, 0).batch(0)
    for crop, label in zip(crops, labels, strict=True):
        if label == 1:
            assert float((crop - 100 / 255).abs().amax(0).min()) < 0.02
    assert set(labels.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("change", [[0, 0, 0], [0.2, -0.2, 0.2], [-0.2, 0.2, -0.2]])
def test_window_is_a_square_inside_the_image_around_the_box(change):
    box = np.array([60.0, 40.0, 80.0, 70.0])
    x, y, side = window(box, np.array(change), 128, 128)
    assert side == round(36 * (1 + change[2]))
    assert x + side / 2 == pytest.approx(70 + 30 * change[0], abs=1)
    assert y + side / 2 == pytest.approx(55 + 30 * change[1], abs=1)


def test_window_at_the_border_and_larger_than_the_image():
    nothing = np.zeros(3)
    assert window(np.array([0.0, 100.0, 20.0, 128.0]), nothing, 128, 128) == (0, 94, 34)
    assert window(np.array([0.0, 0.0, 100.0, 50.0]), nothing, 50, 100) == (25, 0, 50)


def test_no_boxes(tiny):
    tiny.content["annotations"] = []
    with pytest.raises(InputError, match="no boxes"):
        Crops(tiny.open(), 16, 4, 0)
