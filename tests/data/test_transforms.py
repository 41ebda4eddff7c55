import pytest
import torch

from triplehead.data.transforms import EvalTransform, TrainTransform, flip, resize, scaled_size
from triplehead.plan.options import Input


@pytest.mark.parametrize(
    ("size", "short", "long", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),  # 1066.67
        ((640, 480), 800, 1333, (1067, 800)),
        ((400, 1000), 800, 1333, (533, 1333)),  # the longer side decides: 533.2
        ((1200, 1600), 600, 1000, (600, 800)),
        ((128, 128), 128, 128, (128, 128)),
        ((1, 2000), 800, 1333, (1, 1333)),  # never 0
    ],
)
def test_scaled_size(size, short, long, expected):
    assert scaled_size(*size, short, long) == expected


def marked(height: int, width: int, box: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Black but for a white box."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    x1, y1, x2, y2 = box
    image[:, y1:y2, x1:x2] = 255
    return image, torch.tensor([box], dtype=torch.float32)


def extent(image: torch.Tensor) -> list[int]:
    rows, columns = torch.nonzero(image.float().mean(0) > image.max() / 2, as_tuple=True)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


def test_resize_moves_boxes_with_the_pixels():
    image, boxes = resize(*marked(60, 90, [12, 6, 30, 48]), short=120, long=999)
    assert tuple(image.shape) == (3, 120, 180)
    assert boxes.tolist() == [[24, 12, 60, 96]]
    assert extent(image) == [24, 12, 60, 96]
    assert type(boxes) is torch.Tensor


def test_resize_leaves_an_image_of_the_right_size_alone():
    image, boxes = marked(64, 96, [1, 2, 3, 4])
    resized, same = resize(image, boxes, 64, 96)
    assert resized is image
    assert same is boxes


def test_flip_moves_boxes_with_the_pixels():
    image, boxes = flip(*marked(60, 90, [12, 6, 30, 48]))
    assert boxes.tolist() == [[60, 6, 78, 48]]
    assert extent(image) == [60, 6, 78, 48]
    assert type(image) is torch.Tensor


@pytest.mark.parametrize(("share", "box"), [(0.0, [12, 6, 30, 48]), (1.0, [60, 6, 78, 48])])
def test_train_transform(share, box):
    image, boxes = marked(60, 90, [12, 6, 30, 48])
    target = {"boxes": boxes, "labels": torch.tensor([3]), "image_id": 7, "size": (60, 90)}
    out, moved = TrainTransform(Input(short=60, long=90, flip=share))(image, target)
    assert (out.dtype, float(out.min()), float(out.max())) == (torch.float32, 0, 1)
    assert moved["boxes"].tolist() == [box]
    assert extent(out) == box
    assert moved["labels"].tolist() == [3]
    assert boxes.tolist() == [[12, 6, 30, 48]]  # the reader's tensors are left alone
    assert int(image.max()) == 255


def test_flips_are_as_frequent_as_asked():
    transform = TrainTransform(Input(short=8, long=8, flip=0.25))
    image, boxes = marked(8, 8, [0, 0, 2, 2])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        flipped = sum(float(transform(image, {"boxes": boxes})[1]["boxes"][0, 0]) > 0 for _ in range(400))
    assert 70 < flipped < 130


def test_eval_transform_keeps_the_original_size_and_never_flips():
    image, boxes = marked(60, 90, [12, 6, 30, 48])
    target = {"boxes": boxes, "labels": torch.tensor([3]), "image_id": 7, "size": (60, 90)}
    out, moved = EvalTransform(Input(short=120, long=999, flip=1.0))(image, target)
    assert tuple(out.shape) == (3, 120, 180)
    assert moved["size"] == (60, 90)
    assert moved["boxes"].tolist() == [[24, 12, 60, 96]]


def test_images_without_boxes():
    image, _ = marked(60, 90, [0, 0, 1, 1])
    out, moved = TrainTransform(Input(short=30, long=90, flip=1.0))(image, {"boxes": torch.zeros(0, 4)})
    assert tuple(out.shape) == (3, 30, 45)
    assert tuple(moved["boxes"].shape) == (0, 4)
