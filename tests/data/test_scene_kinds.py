"""Scenes of kind voc and visdrone: what they hold, and that the real readers find all of it again."""

import numpy as np
import pytest
from PIL import Image

from triplehead.data import layouts, render, scene_parts, scenes
from triplehead.data.visdrone import VisDroneDataset
from triplehead.data.voc import VocDataset
from triplehead.plan.options import Scenes, VisDroneScenes, VocScenes

KINDS = [VocScenes(train=12, val=5, seed=5), VisDroneScenes(train=12, val=5, seed=5)]


@pytest.fixture(scope="module")
def voc() -> list[scenes.Scene]:
    return [scenes.compose(VocScenes(), "train", index) for index in range(300)]


@pytest.fixture(scope="module")
def visdrone() -> list[scenes.Scene]:
    return [scenes.compose(VisDroneScenes(), "train", index) for index in range(120)]


def boxes_of(found: list[scenes.Scene]) -> np.ndarray:
    return np.array([each.box for scene in found for each in scene.objects])


def sides(boxes: np.ndarray) -> np.ndarray:
    return np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))


def all_boxes(scene: scenes.Scene) -> np.ndarray:
    return np.array([each.box for each in scene.objects] + [*scene.regions, *scene.others]).reshape(-1, 4)


@pytest.mark.parametrize("options", KINDS)
def test_a_scene_depends_on_seed_split_and_index_alone(options):
    scene = scenes.compose(options, "train", 2)
    same = scenes.compose(options.model_copy(update={"train": 9, "val": 1}), "train", 2)
    assert (scene.objects, scene.regions, scene.others) == (same.objects, same.regions, same.others)
    assert np.array_equal(scene.image, same.image)
    others = [(options.model_copy(update={"seed": 1}), "train", 2), (options, "val", 2), (options, "train", 3)]
    others.append((Scenes(seed=options.seed), "train", 2))
    assert all(scenes.compose(*other).objects != scene.objects for other in others)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("options", KINDS)
def test_scenes_draw_only_from_their_split(options, split, monkeypatch):
    drawn = set()
    monkeypatch.setattr(render, "glyph", lambda index, real=render.glyph: drawn.add(index) or real(index))
    for index in range(12):
        scenes.compose(options, split, index)
    assert len(drawn) > 30
    assert drawn <= set(render.digit_indices(split).tolist())


@pytest.mark.parametrize("options", KINDS)
def test_everything_lies_inside_the_image(options):
    for size in (96, 128, 256):
        for index in range(15):
            scene = scenes.compose(options.model_copy(update={"image_size": size}), "val", index)
            boxes = all_boxes(scene)
            assert scene.image.shape[:2] == (size, size)
            assert (boxes >= 0).all() and (boxes <= size).all() and (boxes[:, 2:] > boxes[:, :2]).all()


def test_voc_scenes_hold_few_and_mostly_large_digits(voc):
    counts = np.array([len(scene.objects) for scene in voc])
    assert ((counts >= 0) & (counts <= 4)).all()
    assert 2.2 < counts.mean() < 2.8
    assert 0 < (counts == 0).sum() < 12
    plain = np.array([each.box for scene in voc for each in scene.objects if not each.flagged])
    assert 0.6 < (sides(plain) >= 40).mean() < 0.8
    assert not any(scene.regions or scene.others for scene in voc)


def test_a_share_of_voc_objects_is_difficult(voc):
    flags = [each.flagged for scene in voc for each in scene.objects]
    assert 0.11 < np.mean(flags) < 0.19
    for share, expected in ((0.0, {False}), (1.0, {True})):
        some = [scenes.compose(VocScenes(difficult_share=share), "train", index) for index in range(20)]
        assert {each.flagged for scene in some for each in scene.objects} == expected


def test_difficult_digits_are_faint_cropped_or_covered(monkeypatch):
    """On black, one object at a time: a plain digit is bright and whole, a difficult one is not."""
    monkeypatch.setattr(render, "background", lambda size, rng: np.zeros((size, size, 3), np.float32))
    monkeypatch.setattr(scene_parts, "draw_clutter", lambda *_: None)
    looks = {"faint": 0, "at the border": 0, "covered": 0}
    for index in range(60):
        scene = scenes.compose(VocScenes(objects=(1, 1), difficult_share=1), "train", index)
        lit = scene.image.reshape(128, 128, -1).max(axis=2)
        for each in scene.objects:
            rows, columns = np.flatnonzero((lit > 0).any(axis=1)), np.flatnonzero((lit > 0).any(axis=0))
            assert each.box == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)  # tight to what is visible
            if lit.max() < 100:
                looks["faint"] += 1
            elif 0 in each.box or 128 in each.box:
                looks["at the border"] += 1
            else:
                looks["covered"] += 1
                inside = lit[each.box[1] : each.box[3], each.box[0] : each.box[2]] > 0
                assert inside.mean() > 0.55  # a plain digit's ink fills about half of its box
    assert min(looks.values()) > 10


def test_visdrone_scenes_hold_many_tiny_digits(visdrone):
    counts = np.array([len(scene.objects) for scene in visdrone])
    assert ((counts == 0) | ((counts >= 8) & (counts <= 30))).all()
    assert 16 < counts.mean() < 21
    found = sides(boxes_of(visdrone))
    assert found.min() > 5 and found.max() < 21
    assert 0.38 < (found < 10).mean() < 0.55


def test_visdrone_scenes_hold_regions_others_and_ignored_objects(visdrone):
    assert 0.4 < np.mean([bool(scene.regions) for scene in visdrone]) < 0.6
    assert max(len(scene.regions) for scene in visdrone) == 2
    assert 3.5 < np.mean([len(scene.others) for scene in visdrone]) < 5.5
    flags = [each.flagged for scene in visdrone for each in scene.objects]
    assert 0.03 < np.mean(flags) < 0.07
    inside = []
    for scene in visdrone:
        objects, regions = (np.array(list(found), dtype=float).reshape(-1, 4) for found in
                            ((each.box for each in scene.objects), scene.regions))  # fmt: skip
        inside += (scene_parts.shared_area(objects, regions).max(axis=1, initial=0) > 0.5).tolist()
    assert np.mean(inside) < 0.01


def test_regions_are_crowded(monkeypatch):
    """On black and with the objects left out, what is lit in a region are its digits."""
    monkeypatch.setattr(render, "background", lambda size, rng: np.zeros((size, size, 3), np.float32))
    for index in range(10):
        scene = scenes.compose(VisDroneScenes(objects=(1, 1), regions=1), "train", index)
        for x1, y1, x2, y2 in scene.regions:
            part = scene.image.reshape(128, 128, -1).max(axis=2)[y1:y2, x1:x2]
            assert 0.1 < (part > 100).mean() < 0.8
            assert 20 <= y2 - y1 <= 44


def written(options, folder):
    scenes.write(options, folder)
    return folder


@pytest.mark.parametrize("options", KINDS)
def test_written_bytes_repeat(options, tmp_path):
    first, second = (written(options, tmp_path / name) for name in "ab")
    files = [path.relative_to(first) for path in sorted(first.rglob("*")) if path.is_file()]
    assert len(files) == 2 * (12 + 5) + (2 if options.kind == "voc" else 0)
    assert {path.suffix for path in files} <= {".jpg", ".xml", ".txt"}
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


def close(image, scene: scenes.Scene) -> bool:
    """JPEG changes pixels a little."""
    pixels = scene.image if scene.image.ndim == 3 else scene.image[..., None].repeat(3, axis=2)
    return np.abs(image.permute(1, 2, 0).numpy().astype(int) - pixels).mean() < 8


def test_voc_scenes_are_read_back(tmp_path):
    options = VocScenes(train=30, val=3, difficult_share=0.4)
    scenes.write(options, tmp_path)
    for split, count in (("train", 30), ("val", 3)):
        dataset = VocDataset(tmp_path / layouts.VOC_DEVKIT, [layouts.VOC_SETS[split]], layouts.DIGIT_NAMES)
        dataset.check_files()
        assert len(dataset) == count
        for index, truth in enumerate(dataset.truth()):
            scene = scenes.compose(options, split, index)
            image, target = dataset[index]
            assert truth.boxes.tolist() == [list(each.box) for each in scene.objects]
            assert truth.labels.tolist() == [each.digit for each in scene.objects]
            assert truth.ignore.tolist() == [each.flagged for each in scene.objects]
            assert target["boxes"].tolist() == [list(each.box) for each in scene.objects if not each.flagged]
            assert close(image, scene)
    assert dataset.categories[0] == (1, "zero")


def test_visdrone_scenes_are_read_back(tmp_path):
    options = VisDroneScenes(train=12, val=3, ignored=0.3, regions=0.7)
    scenes.write(options, tmp_path)
    for split, count in (("train", 12), ("val", 3)):
        dataset = VisDroneDataset(tmp_path / layouts.VISDRONE_FOLDERS[split], layouts.DIGIT_NAMES)
        assert len(dataset) == count
        composed = [scenes.compose(options, split, index) for index in range(count)]
        for index, (truth, scene) in enumerate(zip(dataset.truth(), composed, strict=True)):
            image, target = dataset[index]
            assert truth.boxes.tolist() == [list(each.box) for each in scene.objects]
            assert truth.labels.tolist() == [each.digit for each in scene.objects]
            assert truth.ignore.tolist() == [each.flagged for each in scene.objects]
            assert truth.regions.tolist() == [list(box) for box in scene.regions]
            assert target["boxes"].tolist() == [list(each.box) for each in scene.objects if not each.flagged]
            assert close(image, scene)
        assert dataset.counts["num_others"] == sum(len(scene.others) for scene in composed)


def test_voc_files_look_like_the_devkits(tmp_path):
    scenes.write(VocScenes(train=2, val=1), tmp_path)
    root = tmp_path / "VOCdevkit/VOC2007"
    assert (root / "ImageSets/Main/trainval.txt").read_text() == "000001\n000002\n"
    assert (root / "ImageSets/Main/test.txt").read_text() == "500001\n"
    with Image.open(root / "JPEGImages/000001.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (128, 128))
    scene = scenes.compose(VocScenes(), "train", 1)
    text = (root / "Annotations/000002.xml").read_text()
    assert text.count("<object>") == len(scene.objects) > 0
    x1, y1, x2, y2 = scene.objects[0].box
    for line in (f"<xmin>{x1 + 1}</xmin>", f"<ymin>{y1 + 1}</ymin>", f"<xmax>{x2}</xmax>", f"<ymax>{y2}</ymax>"):
        assert line in text
