import errno
import json
import shutil

import pytest

from triplehead.data import layouts, scenes
from triplehead.data.kept import looked_at
from triplehead.data.prepare import open_split, prepare, read_manifest
from triplehead.data.voc import CLASSES
from triplehead.errors import InputError
from triplehead.plan.options import CocoFolder, Scenes, VisDroneFolder, VisDroneScenes, VocFolder, VocScenes

SMALL = Scenes(train=4, val=2, image_size=64)
FOLDER = CocoFolder(source="folder", num_classes=10)


@pytest.fixture
def user(tmp_path, scene_folder):
    """A data_root in the official layout."""
    shutil.copytree(scene_folder, tmp_path / "root" / "coco")
    return tmp_path / "root"


def test_scenes_and_their_manifest(tmp_path):
    folder = tmp_path / "made" / "data"
    manifest = prepare(SMALL, None, folder)
    assert json.loads((folder / "manifest.json").read_text()) == manifest == read_manifest(folder)
    assert manifest["source"] == "scenes"
    assert manifest["splits"]["train"]["images"] == "train2017"
    assert manifest["splits"]["train"]["num_images"] == 4
    assert manifest["splits"]["val"]["categories"][4] == [6, "four"]
    train, val = open_split(folder, "train"), open_split(folder, "val", cache=True)
    assert (len(train), len(val)) == (4, 2)
    assert manifest["splits"]["train"]["num_boxes"] == train.num_boxes
    assert manifest["splits"]["val"]["digest"] == val.digest()
    assert [path.name for path in folder.parent.iterdir()] == ["data"]


KINDS = [VocScenes(train=4, val=2, image_size=64), VisDroneScenes(train=4, val=2, image_size=64)]
FOLDERS = [VocFolder(source="folder"), VisDroneFolder(source="folder")]


@pytest.mark.parametrize(("data", "place"), [(KINDS[0], "VOCdevkit"), (KINDS[1], "VisDrone2019-DET-train/annotations")])
def test_scenes_of_the_other_kinds(tmp_path, monkeypatch, data, place):
    folder = tmp_path / "data"
    manifest = prepare(data, None, folder)
    assert manifest["splits"]["train"]["annotations"] == place
    assert manifest["splits"]["train"]["categories"][4] == [5, "four"]
    for split, count in (("train", 4), ("val", 2)):
        dataset = open_split(folder, split, cache=True)
        assert (len(dataset), dataset.digest()) == (count, manifest["splits"][split]["digest"])
        assert dataset.num_boxes == manifest["splits"][split]["num_boxes"] > 0
        assert dataset.counts.items() <= manifest["splits"][split].items()
        assert dataset[0][1]["size"] == (64, 64)
    monkeypatch.setattr(scenes, "write", lambda *_: pytest.fail("written again"))
    assert prepare(data, None, folder) == manifest


@pytest.mark.parametrize("data", KINDS, ids=lambda data: data.kind)
@pytest.mark.parametrize("suffix", ["txt", "jpg", "xml"])
def test_incomplete_scenes_of_the_other_kinds_are_made_again(tmp_path, data, suffix):
    folder = tmp_path / "data"
    first = prepare(data, None, folder)
    for file in list(folder.rglob(f"*.{suffix}"))[:1]:
        file.unlink()
        assert prepare(data, None, folder) == first
        assert file.exists()


@pytest.mark.parametrize("data", FOLDERS, ids=lambda data: data.layout)
def test_the_users_folder_of_the_other_layouts(tmp_path, data):
    """What the scenes write is what the folders' defaults expect, but for VOC's second year and the names of classes."""
    scene, digits = KINDS[FOLDERS.index(data)], layouts.DIGIT_NAMES
    root = tmp_path / "root"
    scenes.write(scene, root / data.layout)
    if data.layout == "voc":
        refuses(data, root, tmp_path / "out", "VOC2012/ImageSets/Main/trainval.txt", "no such file")
        data = data.model_copy(update={"train": ("VOC2007/trainval",)})
        refuses(data, root, tmp_path / "out", "unknown class")
        for file in root.rglob("*.xml"):
            for digit, name in zip(digits, CLASSES, strict=False):
                file.write_text(file.read_text().replace(f"<name>{digit}</name>", f"<name>{name}</name>"))
    manifest = prepare(data, root, tmp_path / "out")
    assert manifest["splits"]["val"]["images"].startswith(f"root/{data.layout}/")
    before = (tmp_path / "out/manifest.json").read_bytes()
    moved = tmp_path / "moved"
    shutil.move(root, moved)
    prepare(data, moved, tmp_path / "out")
    assert (tmp_path / "out/manifest.json").read_bytes() == before
    assert open_split(tmp_path / "out", "train").num_boxes == manifest["splits"]["train"]["num_boxes"]
    next(moved.rglob("*.jpg")).unlink()
    with pytest.raises(InputError, match=r"\.jpg: no such file"):
        prepare(data, moved, tmp_path / "out")


def test_difficult_objects_are_trained_on_where_asked(tmp_path):
    data = VocScenes(train=4, val=4, image_size=64, difficult_share=0.5)
    counts = []
    for difficult in ("drop", "keep"):
        prepare(data.model_copy(update={"difficult": difficult}), None, tmp_path / difficult)
        counts.append(open_split(tmp_path / difficult, "train").num_boxes)
    assert counts[0] < counts[1]


def test_the_manifest_is_the_same_bytes_elsewhere(tmp_path):
    for name in ("a", "b"):
        prepare(SMALL, None, tmp_path / name)
    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()


def test_complete_scenes_are_kept(tmp_path, monkeypatch):
    first = prepare(SMALL, None, tmp_path / "data")
    monkeypatch.setattr(scenes, "write", lambda *_: pytest.fail("written again"))
    assert prepare(SMALL, None, tmp_path / "data") == first


@pytest.mark.parametrize("damage", ["manifest.json", "val2017/000000500001.png", "annotations"])
def test_incomplete_scenes_are_made_again(tmp_path, damage):
    folder = tmp_path / "data"
    first = prepare(SMALL, None, folder)
    before = (folder / "manifest.json").read_bytes()
    place = folder / damage
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    assert prepare(SMALL, None, folder) == first
    assert (folder / "manifest.json").read_bytes() == before
    assert place.exists()


@pytest.mark.parametrize(
    ("key", "value"), [("num_images", "x"), ("num_images", None), ("images", 5), ("categories", {})]
)
def test_a_manifest_that_was_edited_is_named(tmp_path, key, value):
    manifest = prepare(SMALL, None, tmp_path / "data")
    manifest["splits"]["val"][key] = value
    (tmp_path / "data" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json: is not a manifest of prepared data"):
        read_manifest(tmp_path / "data")


def test_scenes_of_other_options_are_replaced(tmp_path):
    prepare(SMALL, None, tmp_path / "data")
    manifest = prepare(SMALL.model_copy(update={"train": 3}), None, tmp_path / "data")
    assert manifest["splits"]["train"]["num_images"] == 3
    assert len(list((tmp_path / "data/train2017").iterdir())) == 3


def test_interrupted_writing_leaves_nothing_and_starts_clean(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()  # as a workflow engine does for its output
    leftover = tmp_path / ".data.tmp" / "train2017"
    leftover.mkdir(parents=True)  # as a killed process does
    real = layouts.write_coco

    def half(found, split, where):
        if split == "val":
            raise KeyboardInterrupt
        real(found, split, where)

    monkeypatch.setattr(layouts, "write_coco", half)
    with pytest.raises(KeyboardInterrupt):
        prepare(SMALL, None, folder)
    assert list(folder.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    monkeypatch.undo()
    leftover.mkdir(parents=True)
    assert prepare(SMALL, None, folder)["splits"]["val"]["num_images"] == 2


def test_disk_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        prepare(SMALL, None, tmp_path / "file" / "data")


def test_disk_that_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layouts, "write_coco", full)
    with pytest.raises(InputError, match=r"data: cannot be written \(No space left"):
        prepare(SMALL, None, tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_checked_and_named(tmp_path, user):
    manifest = prepare(FOLDER, user, tmp_path / "out")
    before = (tmp_path / "out/manifest.json").read_bytes()
    assert manifest["splits"]["train"]["num_images"] == 24
    assert open_split(tmp_path / "out", "val")[0][1]["size"] == (128, 128)
    prepare(FOLDER, user, tmp_path / "out")
    assert (tmp_path / "out/manifest.json").read_bytes() == before


def test_a_folder_that_moved_is_the_same_data(tmp_path, user):
    """Only its content counts: Snakemake retrains when the manifest's bytes change."""
    prepare(FOLDER, user, tmp_path / "out")
    before = (tmp_path / "out/manifest.json").read_bytes()
    moved = tmp_path / "moved"
    shutil.move(user, moved)
    prepare(FOLDER, moved, tmp_path / "out")
    assert (tmp_path / "out/manifest.json").read_bytes() == before
    assert open_split(tmp_path / "out", "val")[0][1]["size"] == (128, 128)
    assert (moved / FOLDER.val_annotations).is_file()


def refuses(data, root, out, *said):
    with pytest.raises(InputError) as caught:
        prepare(data, root, out)
    assert all(each in str(caught.value) for each in said), caught.value
    assert not (out / "manifest.json").exists()


def test_data_root_not_given(tmp_path):
    refuses(FOLDER, None, tmp_path / "out", "data_root")


def test_data_root_that_does_not_exist(tmp_path):
    refuses(FOLDER, tmp_path / "nowhere", tmp_path / "out", str(tmp_path / "nowhere"), "no such folder")


@pytest.mark.parametrize(
    ("lost", "split"),
    [
        ("coco/val2017", "val"),
        ("coco/train2017", "train"),
        ("coco/annotations/instances_val2017.json", "val"),
    ],
)
def test_data_root_that_lacks_a_split(tmp_path, user, lost, split):
    place = user / lost
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    refuses(FOLDER, user, tmp_path / "out", str(place), f"{split} split")


def test_image_that_is_missing(tmp_path, user):
    (user / "coco/train2017/000000000003.png").unlink()
    refuses(FOLDER, user, tmp_path / "out", "000000000003.png", "no such file")


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_split_without_boxes(tmp_path, user):
    path = user / "coco/annotations/instances_train2017.json"
    change(path, lambda content: content["annotations"].clear())
    refuses(FOLDER, user, tmp_path / "out", str(path), "no boxes")


def test_splits_with_other_categories(tmp_path, user):
    path = user / "coco/annotations/instances_val2017.json"
    change(path, lambda content: content["categories"][0].update(name="other"))
    refuses(FOLDER, user, tmp_path / "out", str(path), "categories differ")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_photograph_that_is_cut_short_or_of_another_size(tmp_path, user, split):
    """Nothing need come to draw it."""
    image = sorted((user / f"coco/{split}2017").iterdir())[-1]
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    refuses(FOLDER, user, tmp_path / "out", image.name, "truncated")
    image.write_bytes(whole)
    prepare(FOLDER, user, tmp_path / "out")
    path = user / f"coco/annotations/instances_{split}2017.json"
    change(path, lambda content: content["images"][0].update(width=7))
    refuses(FOLDER, user, tmp_path / "other", "pixels, but", path.name, "says 7x")


def test_more_categories_than_classes(tmp_path, user):
    path = user / "coco/annotations/instances_train2017.json"
    change(path, lambda content: content["categories"].append({"id": 99, "name": "more"}))
    refuses(FOLDER, user, tmp_path / "out", str(path), "has 11 categories, expected 10")


@pytest.mark.parametrize("place", ["annotations/instances_val2017.json", "val2017/*.png"])
def test_data_that_changed_since_are_not_opened(tmp_path, place):
    prepare(SMALL, None, tmp_path)
    file = next(tmp_path.glob(place))
    file.write_bytes(file.read_bytes() + b"\n")
    open_split(tmp_path, "train")
    with pytest.raises(
        InputError, match=r"instances_val2017\.json: they or images in .* changed since .*manifest\.json was made"
    ):
        open_split(tmp_path, "val")


def test_a_look_that_fails_is_marked_where_there_is_a_manifest_to_put_back(tmp_path):
    for first in (True, False):
        with pytest.raises(InputError), looked_at(tmp_path):
            raise InputError("image", "is cut short")
        assert [path.name for path in tmp_path.iterdir() if path.name == "looking"] == ([] if first else ["looking"])
        with looked_at(tmp_path):
            (tmp_path / "manifest.json").write_text("{}")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.json", "manifest.json"]


def test_open_without_prepare(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json: no such file"):
        open_split(tmp_path, "train")


PLACE = {"images": "a", "annotations": "b"}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"splits": {"train": {}}}', json.dumps({"splits": {"train": PLACE, "val": PLACE}})]
)
def test_damaged_manifest(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="not a manifest"):
        open_split(tmp_path, "train")


def test_manifest_with_unknown_options(tmp_path):
    prepare(SMALL, None, tmp_path / "data")
    change(tmp_path / "data/manifest.json", lambda content: content["options"].update(kind="other"))
    with pytest.raises(InputError, match=r"manifest\.json: options\.kind: found 'other', allowed: 'coco', 'voc'"):
        open_split(tmp_path / "data", "train")


@pytest.mark.parametrize(("data", "images", "classes"), [(FOLDERS[0], (68, 2), 20), (FOLDERS[1], (8, 2), 10)])
def test_real_folders_of_the_other_layouts(tmp_path, real_data, data, images, classes):
    manifest = prepare(data, real_data, tmp_path)
    assert tuple(manifest["splits"][split]["num_images"] for split in ("train", "val")) == images
    assert len(manifest["splits"]["train"]["categories"]) == classes == data.num_classes
    for split in ("train", "val"):
        image, target = open_split(tmp_path, split)[0]
        assert tuple(image.shape[1:]) == target["size"]


def test_real_folder(tmp_path, real):
    manifest = prepare(CocoFolder(source="folder"), real.parent, tmp_path)
    assert [manifest["splits"][split]["num_images"] for split in ("train", "val")] == [86, 85]
    assert len(manifest["splits"]["train"]["categories"]) == 80
