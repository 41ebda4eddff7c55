"""The data sets of Tables 6 and 7 in detectron2's catalog: names now, files when they are asked for."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_voc_instances
from detectron2.structures import BoxMode

from triplehead.data import visdrone, voc
from triplehead.plan.options import VisDroneFolder

OURS = "triplehead_"
VISDRONE = {split: f"{OURS}visdrone_{split}" for split in ("train", "val")}
VISDRONE_EVALUATOR = f"{OURS}visdrone"  # what the metadata say of who scores it
VOC_TRAIN = ("voc_2007_trainval", "voc_2012_trainval")  # detectron2's own; ours have the prefix


def register_datasets() -> None:
    """VisDrone's two splits, and VOC's training sets without difficult objects where detectron2 has its own.

    A name that somebody else has registered already is theirs.
    """
    root = Path(os.getenv("DETECTRON2_DATASETS", "datasets")).expanduser()  # as detectron2 finds its own
    layout = VisDroneFolder(source="folder")
    for split, name in VISDRONE.items():
        folder = root / getattr(layout, split)
        facts = {"thing_classes": list(visdrone.CLASSES), "dirname": str(folder), "evaluator_type": VISDRONE_EVALUATOR}
        _register(name, partial(load_visdrone, folder), facts)
    for theirs in VOC_TRAIN:
        facts = MetadataCatalog.get(theirs).as_dict()
        del facts["name"]
        _register(OURS + theirs, partial(load_voc, Path(facts["dirname"]), facts["split"]), facts)


def load_visdrone(folder: Path) -> list[dict[str, Any]]:
    """detectron2's records of a split: the objects that our own engine trains on. Raises InputError as our reader."""
    dataset = visdrone.VisDroneDataset(folder)
    return [
        {
            "file_name": str(dataset.images / entry.file_name),
            "image_id": entry.image_id,
            "height": entry.height,
            "width": entry.width,
            "annotations": [
                {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": label}
                for box, label in zip(entry.boxes.tolist(), entry.labels.tolist(), strict=True)
            ],
        }
        for entry in dataset.entries
    ]


def load_voc(folder: Path, split: str) -> list[dict[str, Any]]:
    """detectron2's own records of an image set without the difficult objects, which it keeps and does not mark."""
    records = load_voc_instances(str(folder), split, voc.CLASSES)
    labels = {name: label for label, name in enumerate(voc.CLASSES)}
    for record in records:
        truth = voc.read_annotation(folder / "Annotations" / f"{record['image_id']}.xml", 0, labels)
        objects = zip(record["annotations"], truth.ignore, strict=True)
        record["annotations"] = [each for each, difficult in objects if not difficult]
    return records


def _register(name: str, load: Callable[[], list[dict[str, Any]]], facts: dict[str, Any]) -> None:
    if name not in DatasetCatalog.list():
        DatasetCatalog.register(name, load)
        MetadataCatalog.get(name).set(**facts)
