import logging
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from triplehead.data.coco import CocoDataset
from triplehead.errors import InputError


def test_labels_are_contiguous_and_sorted_by_category_id(tiny):
    dataset = tiny.open()
    assert dataset.categories == [(3, "x"), (17, "y"), (90, "z")]
    assert dataset.label_to_category == [3, 17, 90]
    assert dataset[0][1]["labels"].tolist() == [2, 0]


def test_an_item(tiny):
    image, target = tiny.open()[0]
    assert (image.dtype, tuple(image.shape)) == (torch.uint8, (3, 30, 40))
    with Image.open(tiny.images / "a.png") as file:
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(file))
    assert target["boxes"].tolist() == [[1, 2, 11, 22], [5.5, 6, 9.5, 10]]
    assert target["boxes"].dtype == torch.float32
    assert target["labels"].dtype == torch.int64
    assert (target["image_id"], target["size"]) == (9, (30, 40))


def test_crowds_are_no_training_targets(tiny):
    dataset = tiny.open()
    assert dataset.num_boxes == 3
    assert dataset.num_crowd == 1


def test_truth_holds_crowds_as_ignored_and_nothing_clipped(tiny):
    tiny.content["annotations"][0]["bbox"] = [-4, 25, 100, 10]
    first, second, empty = tiny.open().truth()
    assert (first.image_id, first.height, first.width) == (9, 30, 40)
    assert first.boxes.tolist() == [[-4, 25, 96, 35], [5.5, 6, 9.5, 10], [0, 0, 40, 30]]
    assert (first.labels.tolist(), first.ignore.tolist()) == ([2, 0, 0], [False, False, True])
    assert (first.boxes.dtype, first.labels.dtype, first.ignore.dtype) == (np.float64, np.int64, bool)
    assert second.labels.tolist() == [1]
    assert empty.boxes.shape == first.regions.shape == (0, 4)


def test_images_without_boxes_stay(tiny):
    dataset = tiny.open()
    target = dataset[2][1]
    assert len(dataset) == 3
    assert tuple(target["boxes"].shape) == (0, 4)
    assert tuple(target["labels"].shape) == (0,)


def test_image_info_has_no_annotations(tiny):
    del tiny.content["annotations"]
    dataset = tiny.open(annotated=False)
    assert (dataset.image_ids, dataset.num_boxes) == ([9, 4, 7], 0)
    assert [len(truth.boxes) for truth in dataset.truth()] == [0, 0, 0]


def test_sizes_without_reading_images(tiny):
    (tiny.images / "a.png").unlink()
    dataset = tiny.open()
    assert dataset.sizes == [(30, 40)] * 3
    assert dataset.image_ids == [9, 4, 7]
    assert dataset.aspect_ratios == pytest.approx([4 / 3] * 3)


@pytest.mark.parametrize("bbox", [[5, 5, 0, 8], [5, 5, 8, 0], [50, 5, 8, 8], [-9, 5, 8, 8]])
def test_degenerate_boxes_are_dropped_and_counted_once(tiny, caplog, bbox):
    tiny.content["annotations"][0]["bbox"] = bbox
    tiny.content["annotations"][3]["bbox"] = bbox
    with caplog.at_level(logging.WARNING):
        dataset = tiny.open()
    assert dataset.num_degenerate == 2
    assert [len(dataset[index][1]["boxes"]) for index in range(3)] == [1, 0, 0]
    assert len(caplog.records) == 1
    assert "2 boxes" in caplog.text


def test_boxes_are_clipped_to_the_image(tiny):
    tiny.content["annotations"][0]["bbox"] = [-4, 25, 100, 10]
    assert tiny.open()[0][1]["boxes"][0].tolist() == [0, 25, 40, 30]


@pytest.mark.parametrize("mode", ["L", "1", "LA", "RGBA", "P", "CMYK", "YCbCr"])
def test_every_colour_mode_becomes_rgb(tiny, mode):
    red = Image.new("RGB", (40, 30), (250, 10, 10))
    file = tiny.images / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    red.convert(mode).save(file)
    tiny.content["images"][0]["file_name"] = file.name
    image = tiny.open()[0][0]
    assert tuple(image.shape) == (3, 30, 40)
    corner = image[:, 0, 0].tolist()
    if mode in ("RGBA", "P", "CMYK", "YCbCr"):
        assert corner == pytest.approx([250, 10, 10], abs=12)  # P: the nearest colour of a web palette
    else:
        assert corner[0] == corner[1] == corner[2]


def test_deeper_pixels_are_refused(tiny):
    Image.fromarray(np.full((30, 40), 40_000, np.uint16)).save(tiny.images / "a.png")
    dataset = tiny.open()
    for read in (lambda: dataset[0], dataset.check_images):
        with pytest.raises(InputError, match=r"a\.png.*8 bits"):
            read()


def test_missing_image(tiny):
    dataset = tiny.open()
    dataset.check_files()
    (tiny.images / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.png: no such file"):
        dataset[1]
    with pytest.raises(InputError, match=r"b\.png: no such file.*instances\.json lists it"):
        dataset.check_files()


@pytest.fixture
def soon():
    """What waits for a pipe is interrupted."""

    def late(*_):
        raise AssertionError("waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_an_image_that_is_no_file(tiny, kind):
    file = tiny.images / "b.png"
    file.unlink()
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: path.symlink_to("/dev/zero")}[kind](file)
    dataset = tiny.open()
    for read in (lambda: dataset[1], dataset.check_files):
        with pytest.raises(InputError, match=r"b\.png: is a folder, pipe or device, expected a file"):
            read()


def test_images_may_be_links(tiny, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tiny.images / "b.png").rename(tmp_path / "elsewhere" / "b.png")
    (tiny.images / "b.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (tiny.images / "more").symlink_to(tmp_path / "elsewhere")
    tiny.content["images"][0]["file_name"] = "more/b.png"
    dataset = tiny.open()
    dataset.check_files()
    assert torch.equal(dataset[0][0], dataset[1][0])


@pytest.mark.usefixtures("soon")
def test_annotations_that_are_a_pipe(tiny):
    os.mkfifo(tiny.annotations)
    with pytest.raises(InputError, match=r"instances\.json: is a folder, pipe or device"):
        CocoDataset(tiny.images, tiny.annotations)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_truncated_image(tiny, suffix, share):
    whole = tiny.images / f"whole.{suffix}"
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(whole)
    content = whole.read_bytes()
    cut = tiny.images / f"cut.{suffix}"
    cut.write_bytes(content[: int(len(content) * share)])
    tiny.content["images"][0]["file_name"] = cut.name
    dataset = tiny.open()
    for read in (lambda: dataset[0], dataset.check_images):
        with pytest.raises(InputError, match=rf"cut\.{suffix}.*truncated"):
            read()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_an_image_with_more_behind_its_end(tiny, suffix):
    image = tiny.images / f"more.{suffix}"
    Image.new("RGB", (40, 30)).save(image)
    image.write_bytes(image.read_bytes() + b"\0" * 20)
    tiny.content["images"][0]["file_name"] = image.name
    dataset = tiny.open()
    dataset.check_images()
    assert dataset[0][0].shape == (3, 30, 40)


def test_no_image_at_all(tiny):
    (tiny.images / "a.png").write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"a\.png.*not a readable image"):
        tiny.open()[0]


def test_size_differs_from_the_json(tiny):
    tiny.content["images"][0]["width"] = 41
    with pytest.raises(InputError, match=r"a\.png: is 40x30 pixels, but .* says 41x30"):
        tiny.open()[0]


def test_cache_decodes_once(tiny):
    cached, plain = tiny.open(cache=True), tiny.open()
    first = cached[0][0]
    (tiny.images / "a.png").unlink()
    assert torch.equal(cached[0][0], first)
    with pytest.raises(InputError):
        plain[0]


def test_targets_are_copies(tiny):
    dataset = tiny.open(cache=True)
    dataset[0][1]["boxes"].zero_()
    assert dataset[0][1]["boxes"].sum() > 0


def test_digest_follows_annotations_names_and_sizes(tiny):
    first = tiny.open().digest()
    assert tiny.open().digest() == first
    with (tiny.images / "a.png").open("ab") as file:
        file.write(b"x")
    longer = tiny.open().digest()
    tiny.content["annotations"][0]["bbox"][0] = 2
    assert len({first, longer, tiny.open().digest()}) == 3


@pytest.mark.parametrize(("split", "images", "boxes", "crowd"), [("train", 86, 841, 7), ("val", 85, 898, 15)])
def test_real_samples(real, split, images, boxes, crowd):
    dataset = CocoDataset(real / f"{split}2017", real / f"annotations/instances_{split}2017.json")
    dataset.check_files()
    assert len(dataset) == images
    assert dataset.num_boxes + dataset.num_crowd == boxes
    assert (dataset.num_crowd, dataset.num_degenerate) == (crowd, 0)
    assert len(dataset.categories) == 80
    assert dataset.categories[0] == (1, "person")
    assert dataset.categories[79] == (90, "toothbrush")


def test_real_image_without_annotations_and_with_crowds(real):
    val = CocoDataset(real / "val2017", real / "annotations/instances_val2017.json")
    assert len(val[val.image_ids.index(58636)][1]["boxes"]) == 0
    for index in range(0, len(val), 12):
        image, target = val[index]
        assert tuple(image.shape[1:]) == target["size"]
        assert image.float().std() > 5
