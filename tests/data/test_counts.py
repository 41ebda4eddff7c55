import shutil

import pytest

from triplehead.data.counts import Counts, count, demand_official, differences
from triplehead.data.prepare import open_user_split, prepare
from triplehead.errors import InputError
from triplehead.plan.datasets import Part, read_dataset
from triplehead.plan.options import CocoFolder, VisDroneFolder, VocFolder

FOLDERS = {each.layout: each for each in (kind(source="folder") for kind in (CocoFolder, VocFolder, VisDroneFolder))}


@pytest.mark.parametrize(
    ("layout", "split", "expected"),
    [  # as the samples' own README counts them: objects with crowds and difficult ones, VisDrone's without 0 and 11
        ("coco", "train", (86, 841, 841 - 7)),
        ("coco", "val", (85, 898, 898 - 15)),
        ("voc", "train", (68, 186, 186 - 32)),
        ("voc", "val", (2, 3, 3)),
        ("visdrone", "train", (8, 540, 540)),
    ],
)
def test_counts_of_real_samples(real_data, layout, split, expected):
    assert count(open_user_split(FOLDERS[layout], real_data, split)) == expected


@pytest.mark.parametrize("data", FOLDERS.values(), ids=list(FOLDERS))
def test_a_sample_is_not_the_data_set(real_data, tmp_path, data):
    official = read_dataset(data.layout)
    with pytest.raises(InputError, match=r"the train split has \d+ images, expected .*; data_complete=false takes it"):
        prepare(data, real_data, tmp_path, official)
    assert not (tmp_path / "manifest.json").exists()
    prepare(data, real_data, tmp_path)


def test_a_test_split_of_the_users_choice(real_data):
    data = VisDroneFolder(source="folder", val="visdrone/VisDrone2019-DET-test-dev")
    dataset = open_user_split(data, real_data, "val")
    with pytest.raises(InputError, match="has 6 images, expected 1,610"):
        demand_official(dataset, data, "val", read_dataset("visdrone"))


def test_other_images_than_official_ones_are_not_judged(real_data):
    data = CocoFolder(source="folder", train_annotations="coco/annotations/mine.json")
    dataset = open_user_split(FOLDERS["coco"], real_data, "train")
    demand_official(dataset, data, "train", read_dataset("coco"))


def test_differences_are_of_what_is_published():
    found = Counts(10, 20, 15)
    assert differences(found, None) == []
    assert differences(found, Part(images=10, counted=15)) == []
    assert differences(found, Part(images=10, objects=20, counted=15)) == []
    assert differences(found, Part(images=11, objects=1234, counted=15)) == [
        "10 images, expected 11",
        "20 objects, expected 1,234",
    ]


def test_parts_are_added_up():
    voc = read_dataset("voc")
    assert voc.official(FOLDERS["voc"].parts("train")) == Part(images=16551, counted=12608 + 27450)
    assert voc.official(("VOC2007/trainval", "VOC2010/trainval")) is None


def test_an_image_that_is_missing_is_named(tmp_path, scene_folder):
    shutil.copytree(scene_folder, tmp_path / "coco")
    data = CocoFolder(source="folder", num_classes=10)
    next((tmp_path / "coco/val2017").iterdir()).unlink()
    with pytest.raises(InputError, match=r"\.png: no such file.*lists it"):
        open_user_split(data, tmp_path, "val")
    assert count(open_user_split(data, tmp_path, "train")).images == 24  # the other split is not asked for
