"""A small data set on disk, to be damaged by the tests."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from triplehead.data import scenes
from triplehead.data.coco import CocoDataset
from triplehead.plan.options import Scenes

torch.set_num_threads(1)


class Tiny:
    """Three images: two boxes and a crowd, one box, none. Category ids have gaps and are out of order."""

    def __init__(self, folder: Path):
        self.images = folder / "images"
        self.annotations = folder / "instances.json"
        self.images.mkdir()
        rng = np.random.default_rng(0)
        for name in ("a.png", "b.png", "c.png"):
            pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(self.images / name)
        self.content = {
            "images": [
                {"id": number, "file_name": f"{name}.png", "width": 40, "height": 30}
                for number, name in ((9, "a"), (4, "b"), (7, "c"))
            ],
            "annotations": [
                _annotation(1, 9, 90, [1, 2, 10, 20]),
                _annotation(2, 9, 3, [5.5, 6, 4, 4]),
                _annotation(3, 9, 3, [0, 0, 40, 30], iscrowd=1),
                _annotation(4, 4, 17, [30, 20, 10, 10]),
            ],
            "categories": [{"id": 90, "name": "z"}, {"id": 3, "name": "x"}, {"id": 17, "name": "y"}],
        }

    def open(self, **options) -> CocoDataset:
        self.annotations.write_text(json.dumps(self.content))
        return CocoDataset(self.images, self.annotations, **options)


def _annotation(number: int, image_id: int, category_id: int, bbox: list, iscrowd: int = 0) -> dict:
    area = bbox[2] * bbox[3]
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "area": area,
        "iscrowd": iscrowd,
        "segmentation": [],
    }


@pytest.fixture
def tiny(tmp_path) -> Tiny:
    return Tiny(tmp_path)


@pytest.fixture(scope="session")
def scene_options() -> Scenes:
    return Scenes(train=24, val=6, seed=5)


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory, scene_options) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "data"
    scenes.write(scene_options, folder)
    return folder


@pytest.fixture
def train_scenes(scene_folder) -> CocoDataset:
    return CocoDataset(scene_folder / "train2017", scene_folder / "annotations/instances_train2017.json")


@pytest.fixture(scope="session")
def real(real_data) -> Path:
    return real_data / "coco"
