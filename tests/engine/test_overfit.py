"""Model, targets, losses and evaluation agree on real photographs: a handful can be learned by heart."""

import json
from pathlib import Path

import pytest
from tests.helpers import changed

from triplehead.data.prepare import prepare
from triplehead.engine.evaluate import evaluate
from triplehead.engine.train import train
from triplehead.plan.options import CocoFolder
from triplehead.plan.plan import load_plan
from triplehead.tracking.run import Tracker

NUM_IMAGES = 6


def subset(source: Path, target: Path) -> None:
    """The first images of val2017 with one to four objects, none of them tiny, as both splits."""
    annotations = json.loads((source / "annotations" / "instances_val2017.json").read_text())
    boxes: dict[int, list[dict]] = {}
    for annotation in annotations["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation)
    images = [
        image
        for image in annotations["images"]
        if 1 <= len(boxes.get(image["id"], [])) <= 4
        and all(min(box["bbox"][2:]) > 40 and not box["iscrowd"] for box in boxes[image["id"]])
    ][:NUM_IMAGES]
    assert len(images) == NUM_IMAGES
    kept = [box for image in images for box in boxes[image["id"]]]
    (target / "coco" / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        (target / "coco" / split).symlink_to(source / "val2017")
        file = target / "coco" / "annotations" / f"instances_{split}.json"
        file.write_text(json.dumps(annotations | {"images": images, "annotations": kept}))


@pytest.mark.slow
@pytest.mark.parametrize("row", ["FCOS", "All"])
def test_a_handful_of_real_photographs_is_learned_by_heart(real_data, tmp_path, row):
    subset(real_data / "coco", tmp_path)
    data = CocoFolder(source="folder")
    prepare(data, tmp_path, tmp_path / "prepared")
    proxy = load_plan().specs["table5", row][0]
    detector = json.loads(proxy.detector.model_dump_json())
    detector["backbone"] |= {"widths": [32, 48, 64], "pretrain": None}
    spec = changed(
        proxy.model_copy(update={"data": data}),
        num_classes=80,
        input={"short": 128, "long": 192, "flip": 0.0},
        detector=detector,
        schedule={"iterations": 120, "batch_size": NUM_IMAGES, "checkpoint_every": 120, "precision": "32-true"},
        evaluation={"area_small": 1024, "area_large": 9216},
        threads=2,
    )
    run = tmp_path / "run"
    train(spec, tmp_path / "prepared", run, tmp_path / "scratch", Tracker(None, spec, [], run))
    scores = evaluate(spec, tmp_path / "prepared", run)
    assert scores["AP50"] > 80, scores
