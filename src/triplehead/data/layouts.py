"""How scenes are written: the official on-disk layouts of the public data sets."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from triplehead.data.render import Split
from triplehead.data.scene_parts import Scene
from triplehead.data.visdrone import OTHERS, REGION

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# With a gap, as COCO's have, so that nobody takes an id for a label.
COCO_CATEGORY_IDS = (1, 2, 3, 4, 6, 7, 8, 9, 10, 11)
COCO_PATHS = {split: (f"{split}2017", f"annotations/instances_{split}2017.json") for split in ("train", "val")}
VOC_DEVKIT = "VOCdevkit"
VOC_SETS = {"train": "VOC2007/trainval", "val": "VOC2007/test"}
VISDRONE_FOLDERS = {split: f"VisDrone2019-DET-{split}" for split in ("train", "val")}
JPEG_QUALITY = 95
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


def write_voc(scenes: Iterable[Scene], split: Split, folder: Path) -> None:
    """Write VOCdevkit/VOC2007/{JPEGImages/*.jpg, Annotations/*.xml, ImageSets/Main/<set>.txt} below `folder`."""
    year, _, name = VOC_SETS[split].partition("/")
    root = folder / VOC_DEVKIT / year
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / part).mkdir(parents=True, exist_ok=True)
    names = []
    for number, scene in enumerate(scenes, _FIRST_IMAGE_ID[split]):
        names.append(f"{number:06d}")
        Image.fromarray(scene.image).save(root / "JPEGImages" / f"{names[-1]}.jpg", quality=JPEG_QUALITY)
        annotation = _voc_annotation(scene, year, f"{names[-1]}.jpg")
        ElementTree.indent(annotation, "\t")
        ElementTree.ElementTree(annotation).write(root / "Annotations" / f"{names[-1]}.xml", encoding="utf-8")
    (root / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def _voc_annotation(scene: Scene, year: str, file_name: str) -> ElementTree.Element:
    height, width = scene.image.shape[:2]
    root = ElementTree.Element("annotation")
    _add(root, {"folder": year, "filename": file_name})
    _add(ElementTree.SubElement(root, "source"), {"database": "Digit scenes"})
    _add(ElementTree.SubElement(root, "size"), {"width": width, "height": height, "depth": 3})
    _add(root, {"segmented": 0})
    for each in scene.objects:
        entry = ElementTree.SubElement(root, "object")
        x1, y1, x2, y2 = each.box
        cut = x1 == 0 or y1 == 0 or x2 == width or y2 == height
        _add(entry, {"name": DIGIT_NAMES[each.digit], "pose": "Unspecified", "truncated": int(cut)})
        _add(entry, {"difficult": int(each.flagged)})
        corners = {"xmin": x1 + 1, "ymin": y1 + 1, "xmax": x2, "ymax": y2}  # pixels from 1, both inside
        _add(ElementTree.SubElement(entry, "bndbox"), corners)
    return root


def _add(parent: ElementTree.Element, texts: Mapping[str, str | int]) -> None:
    for tag, text in texts.items():
        ElementTree.SubElement(parent, tag).text = str(text)


def write_visdrone(scenes: Iterable[Scene], split: Split, folder: Path) -> None:
    """Write VisDrone2019-DET-<split>/{images/*.jpg, annotations/*.txt} below `folder`; category = digit + 1."""
    root = folder / VISDRONE_FOLDERS[split]
    for part in ("images", "annotations"):
        (root / part).mkdir(parents=True)
    for number, scene in enumerate(scenes, _FIRST_IMAGE_ID[split]):
        name = f"{number:07d}_00000_d_{number:07d}"
        Image.fromarray(scene.image).save(root / "images" / f"{name}.jpg", quality=JPEG_QUALITY)
        rows = [(box, 0, REGION) for box in scene.regions]
        rows += [(each.box, int(not each.flagged), each.digit + 1) for each in scene.objects]
        rows += [(box, 0, OTHERS) for box in scene.others]
        lines = [
            f"{x1},{y1},{x2 - x1},{y2 - y1},{score},{category},0,0\n" for (x1, y1, x2, y2), score, category in rows
        ]
        (root / "annotations" / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
