"""How scenes are written: the official on-disk layouts of the public data sets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from triplehead.data.render import Split

if TYPE_CHECKING:
    from triplehead.data.scenes import Scene

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# With a gap, as COCO's have, so that nobody takes an id for a label.
COCO_CATEGORY_IDS = (1, 2, 3, 4, 6, 7, 8, 9, 10, 11)
COCO_PATHS = {split: (f"{split}2017", f"annotations/instances_{split}2017.json") for split in ("train", "val")}
_FIRST_IMAGE_ID = {"train": 1, "val": 500_001}


def write_coco(scenes: Iterable[Scene], split: Split, folder: Path) -> None:
    """Write `{split}2017/*.png` and `annotations/instances_{split}2017.json` below `folder`."""
    images_folder, annotations_file = (folder / part for part in COCO_PATHS[split])
    images_folder.mkdir(parents=True)
    annotations_file.parent.mkdir(exist_ok=True)
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, scene in enumerate(scenes, _FIRST_IMAGE_ID[split]):
        name = f"{image_id:012d}.png"
        Image.fromarray(scene.image).save(images_folder / name, compress_level=1)
        height, width = scene.image.shape[:2]
        images.append({"id": image_id, "file_name": name, "width": width, "height": height, "license": 1})
        for each in scene.objects:
            x1, y1, x2, y2 = each.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": COCO_CATEGORY_IDS[each.digit],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                    "segmentation": [],
                }
            )
    content = {
        "info": {"description": "Digit scenes", "version": "1"},
        "licenses": [{"id": 1, "name": "CC BY 4.0 (UCI handwritten digits)", "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": "digit"}
            for number, name in zip(COCO_CATEGORY_IDS, DIGIT_NAMES, strict=True)
        ],
    }
    annotations_file.write_text(json.dumps(content), encoding="utf-8")
