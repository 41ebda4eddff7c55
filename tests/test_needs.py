"""What is looked at before anything runs."""

import pytest

from triplehead.errors import InputError
from triplehead.needs import check_folders, left_to_cpu
from triplehead.plan.datasets import read_dataset
from triplehead.plan.options import CocoFolder, VisDroneFolder, VocFolder

FOLDERS = {"coco": CocoFolder, "voc": VocFolder, "visdrone": VisDroneFolder}


@pytest.fixture
def images(tmp_path):
    """COCO with three validation images."""
    for place in ("annotations/instances_train2017.json", "annotations/instances_val2017.json", "val2017/1.jpg",
                  "val2017/2.jpg", "val2017/3.jpg", "train2017/4.jpg"):  # fmt: skip
        (tmp_path / "coco" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "coco" / place).touch()
    return tmp_path


def test_a_set_that_must_be_complete_is_counted(images):
    declared, data = read_dataset("coco"), CocoFolder(source="folder")
    check_folders(declared, data, images, complete=False)
    with pytest.raises(InputError, match=r"coco/val2017: holds 3 files, expected 5,000 \(COCO 2017\); .*data_complete"):
        check_folders(declared, data, images, complete=True)
    (images / "coco" / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(InputError, match=r"instances_val2017\.json: no such file or folder; .* gets it"):
        check_folders(declared, data, images, complete=False)


@pytest.mark.parametrize(
    ("layout", "place"),
    [("coco", "coco/val2017"), ("voc", "voc/VOCdevkit/VOC2007/JPEGImages"),
     ("visdrone", "visdrone/VisDrone2019-DET-train/images")],
)  # fmt: skip
def test_images_that_are_not_there_at_all(tmp_path, layout, place):
    declared, data = read_dataset(layout), FOLDERS[layout](source="folder")
    for name in (*data.annotations, *data.images):
        (tmp_path / name).mkdir(parents=True)
    check_folders(declared, data, tmp_path, complete=False)
    (tmp_path / place).rmdir()
    with pytest.raises(InputError, match=f"{place}: no such file or folder"):
        check_folders(declared, data, tmp_path, complete=False)


@pytest.mark.parametrize(
    ("accelerator", "gpus", "iterations", "is_told"),
    [("auto", 0, 45_000, True), ("auto", 1, 45_000, False), ("cpu", 0, 45_000, False), ("auto", 0, 1_000, False)],
)
def test_only_a_long_training_that_nobody_meant_for_a_cpu_is_told_of(accelerator, gpus, iterations, is_told):
    assert bool(left_to_cpu(accelerator, gpus, iterations, "torch")) is is_told
