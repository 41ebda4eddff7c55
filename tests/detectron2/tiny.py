"""A few images of each data set where detectron2 looks for them below DETECTRON2_DATASETS, and with them ours."""

import json
from pathlib import Path

import numpy as np
from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES
from PIL import Image

VOC_SETS = {"VOC2007": {"trainval": "000005", "test": "000001"}, "VOC2012": {"trainval": "2008_000001"}}
VOC_OBJECT = (
    "<object><name>{}</name><pose>Left</pose><truncated>0</truncated><difficult>{}</difficult>"
    "<bndbox><xmin>11</xmin><ymin>9</ymin><xmax>60</xmax><ymax>40</ymax></bndbox></object>"
)
VISDRONE_ROWS = "10,8,50,32,1,4,0,0\n2,2,12,10,1,1,0,0\n0,0,5,5,0,0,0,0\n70,40,9,9,0,11,0,0\n"


def write(root: Path) -> Path:
    """Made up: two images a list, of noise, with a crowd, a difficult object, and a region and "others" to ignore."""
    for number, split in enumerate(("train", "val")):
        _coco(root / "coco", split, 10 * number + 1)
        _visdrone(root / "visdrone" / f"VisDrone2019-DET-{split}")
    for year, sets in VOC_SETS.items():
        for name, first in sets.items():
            _voc(root / year, name, [first, f"{first}2"])
    return root


def link(root: Path, samples: Path) -> Path:
    """The real samples, VOC's years where detectron2 has them. Its list of 2007 gets a second image: of one, it makes
    no list."""
    root.mkdir(exist_ok=True)
    for name in ("coco", "visdrone"):
        (root / name).symlink_to(samples / name)
    devkit = samples / "voc" / "VOCdevkit"
    (root / "VOC2012").symlink_to(devkit / "VOC2012")
    for part in ("JPEGImages", "Annotations"):
        (root / "VOC2007").mkdir(exist_ok=True)
        (root / "VOC2007" / part).symlink_to(devkit / "VOC2007" / part)
    lists = root / "VOC2007" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "trainval.txt").write_text("000005\n000001\n")
    (lists / "test.txt").write_text("000001\n000002\n")
    return root


def _picture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(len(file.name)).integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(file)


def _coco(folder: Path, split: str, first: int) -> None:
    images, objects = [], []
    for number in (first, first + 1):
        name = f"{number:012d}.jpg"
        _picture(folder / f"{split}2017" / name)
        images.append({"id": number, "file_name": name, "width": 96, "height": 64})
        for crowd in (0, 1):
            fields = {"image_id": number, "category_id": 18, "bbox": [10, 8, 50, 32], "area": 1600, "iscrowd": crowd}
            mask = {"size": [64, 96], "counts": [6144]} if crowd else [[10, 8, 60, 8, 60, 40]]
            objects.append(fields | {"id": 10 * number + crowd, "segmentation": mask})
    categories = [{"id": each["id"], "name": each["name"]} for each in COCO_CATEGORIES if each["isthing"]]
    file = folder / "annotations" / f"instances_{split}2017.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"info": {}, "images": images, "annotations": objects, "categories": categories}))


def _voc(folder: Path, name: str, images: list[str]) -> None:
    for image in images:
        _picture(folder / "JPEGImages" / f"{image}.jpg")
        size = "<size><width>96</width><height>64</height><depth>3</depth></size>"
        objects = VOC_OBJECT.format("dog", 1) + VOC_OBJECT.format("tvmonitor", 0)
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{image}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    (folder / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(images) + "\n")


def _visdrone(folder: Path) -> None:
    for name in ("0000001_00000_d_0000001", "0000002_00000_d_0000002"):
        _picture(folder / "images" / f"{name}.jpg")
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"{name}.txt").write_text(VISDRONE_ROWS)
