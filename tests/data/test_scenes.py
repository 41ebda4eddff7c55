import json

import numpy as np
import pytest
from PIL import Image

from triplehead.data import render, scene_parts, scenes
from triplehead.plan.options import Scenes


@pytest.fixture(scope="module")
def many() -> list[scenes.Scene]:
    return [scenes.compose(Scenes(), "train", index) for index in range(300)]


def sides(found: list[scenes.Scene]) -> np.ndarray:
    boxes = np.array([each.box for scene in found for each in scene.objects])
    return np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def overlapping(found: list[scenes.Scene]) -> float:
    """Share of objects that cover a quarter or more of the smaller box with an earlier object."""
    hits = []
    for scene in found:
        boxes = np.array([each.box for each in scene.objects], dtype=float).reshape(-1, 4)
        shared = scene_parts.shared_area(boxes, boxes)
        hits += [bool((shared[i, :i] >= 0.25).any()) for i in range(len(boxes))]
    return float(np.mean(hits))


def test_val_shows_no_training_digit():
    train, val = render.digit_indices("train"), render.digit_indices("val")
    assert (len(train), len(val)) == (1297, 500)
    assert sorted([*train, *val]) == list(range(1797))
    assert {render.digit_class(i) for i in val} == set(range(10))


@pytest.mark.parametrize("split", ["train", "val"])
def test_scenes_draw_only_from_their_split(split, monkeypatch):
    drawn = set()
    monkeypatch.setattr(render, "glyph", lambda index, real=render.glyph: drawn.add(index) or real(index))
    for index in range(20):
        scenes.compose(Scenes(), split, index)
    assert len(drawn) > 50
    assert drawn <= set(render.digit_indices(split).tolist())


def test_a_scene_depends_on_seed_split_and_index_alone():
    scene = scenes.compose(Scenes(train=3), "train", 2)
    same = scenes.compose(Scenes(train=9, val=1), "train", 2)
    assert scene.objects == same.objects
    assert np.array_equal(scene.image, same.image)
    others = [(Scenes(seed=1), "train", 2), (Scenes(), "val", 2), (Scenes(), "train", 3)]
    assert all(scenes.compose(*other).objects != scene.objects for other in others)


def test_written_bytes_repeat(scene_folder, scene_options, tmp_path):
    scenes.write(scene_options, tmp_path / "again")
    files = [path.relative_to(scene_folder) for path in sorted(scene_folder.rglob("*")) if path.is_file()]
    assert len(files) == 24 + 6 + 2
    for file in files:
        assert (scene_folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file


def test_sizes_and_counts_are_as_asked(many):
    found = sides(many)
    shares = [(found < 16).mean(), ((found >= 16) & (found < 40)).mean(), (found >= 40).mean()]
    assert np.abs(np.array(shares) - (0.41, 0.34, 0.25)).max() < 0.06
    assert found.min() > 7
    assert found.max() <= 91
    counts = np.array([len(scene.objects) for scene in many])
    assert ((counts == 0) | ((counts >= 2) & (counts <= 8))).all()
    assert 0 < (counts == 0).sum() < 12
    assert 0 < sum(scene.image.ndim == 2 for scene in many) < 20


def test_sizes_follow_the_image_size():
    options = Scenes(image_size=256, small=1, medium=0)
    found = sides([scenes.compose(options, "val", index) for index in range(20)])
    assert 16 < found.min() < 20
    assert 28 < found.max() < 34


def test_overlap_is_as_asked(many):
    none = overlapping([scenes.compose(Scenes(overlap=0), "train", index) for index in range(60)])
    some = overlapping(many)
    full = overlapping([scenes.compose(Scenes(overlap=1), "train", index) for index in range(60)])
    assert none < 0.05 < 0.15 < some < 0.35 < full


def test_boxes_are_inside_and_tight_to_the_ink(monkeypatch):
    """Draw on black, without clutter, one object at a time: what is lit is the box."""
    monkeypatch.setattr(render, "background", lambda size, rng: np.zeros((size, size, 3), np.float32))
    monkeypatch.setattr(scene_parts, "draw_clutter", lambda *_: None)
    for index in range(40):
        scene = scenes.compose(Scenes(objects=(1, 1)), "train", index)
        lit = scene.image.reshape(128, 128, -1).max(axis=2) > 0
        for each in scene.objects:
            rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
            assert each.box == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


def test_clutter_is_not_a_digit_and_is_there(many):
    source = render.glyph(int(render.digit_indices("train")[0]))
    rng = np.random.default_rng(0)
    size = [length // 2 * 2 for length in source.size]
    for _ in range(20):
        mixed = np.asarray(render.shuffled(source, rng), dtype=int)
        assert np.abs(mixed - np.asarray(source.resize(size), dtype=int)).mean() > 10
    empty = [scene for scene in many if not scene.objects]
    assert all(scene.image.max() >= 110 for scene in empty)  # bright strokes without a box


def test_coco_layout(scene_folder):
    content = json.loads((scene_folder / "annotations/instances_val2017.json").read_text())
    assert set(content) == {"info", "licenses", "images", "annotations", "categories"}
    assert [row["id"] for row in content["categories"]] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert content["categories"][4]["name"] == "four"
    for row in content["images"]:
        with Image.open(scene_folder / "val2017" / row["file_name"]) as image:
            assert image.size == (row["width"], row["height"]) == (128, 128)
    for row in content["annotations"]:
        x, y, width, height = row["bbox"]
        assert 0 <= x <= x + width <= 128
        assert 0 <= y <= y + height <= 128
        assert row["area"] == width * height > 0
        assert row["iscrowd"] == 0
        assert row["segmentation"] == []
