"""Names in detectron2's catalog: what is read by them is what our own engine trains on, and by whom it is scored."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detectron2.config import instantiate
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances
from tests.detectron2 import loaders, tiny
from tests.helpers import changed

from triplehead.data.coco import CocoDataset
from triplehead.data.visdrone import CLASSES, VisDroneDataset
from triplehead.data.voc import VocDataset
from triplehead.detectron2 import catalog, lazy
from triplehead.detectron2.generate import config_text, write_configs
from triplehead.detectron2.visdrone import VisDroneEvaluator
from triplehead.engine.visdrone_scores import visdrone_scores
from triplehead.errors import InputError
from triplehead.plan.plan import paper_specs

EVALUATOR = {"table6": "PascalVOCDetectionEvaluator", "table7": "VisDroneEvaluator"}


@pytest.fixture(scope="module", params=["made up", "samples"])
def datasets(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    if request.param == "made up":
        return tiny.write(folder)
    return tiny.link(folder, request.getfixturevalue("real_data"))


@pytest.mark.slow
def test_every_loader_of_every_file(datasets, tmp_path):
    """As many objects as our own readers train on, and every image of the test set."""
    files = write_configs(tmp_path / "configs", Path("experiments"))
    command = [sys.executable, loaders.__file__, str(tmp_path / "configs"), str(tmp_path / "output")]
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    coco = [
        CocoDataset(datasets / f"coco/{split}2017", datasets / f"coco/annotations/instances_{split}2017.json")
        for split in ("train", "val")
    ]
    voc = [VocDataset(datasets, sets) for sets in (["VOC2007/trainval", "VOC2012/trainval"], ["VOC2007/test"])]
    visdrone = [VisDroneDataset(datasets / f"visdrone/VisDrone2019-DET-{split}") for split in ("train", "val")]
    assert voc[0].counts["num_difficult"] > 0
    assert len(found) == len(files) and {name.partition("/")[0] for name in found} >= {"table5", *EVALUATOR}
    for name, each in found.items():
        table = name.partition("/")[0]
        train, val = {"table6": voc, "table7": visdrone}.get(table, coco)
        assert (each["objects"], each["tested"]) == (train.num_boxes, len(val)), name
        assert len(each["batch"]) == 2 and all(each["batch"])
        assert each["evaluator"] == EVALUATOR.get(table, "COCOEvaluator")


def test_visdrone(datasets):
    folder = datasets / "visdrone" / "VisDrone2019-DET-val"
    dataset, records = VisDroneDataset(folder), catalog.load_visdrone(folder)
    assert [record["image_id"] for record in records] == dataset.image_ids
    for entry, record in zip(dataset.entries, records, strict=True):
        assert Path(record["file_name"]).is_file()
        assert (record["height"], record["width"]) == (entry.height, entry.width)
        assert [each["bbox"] for each in record["annotations"]] == entry.boxes.tolist()
        assert [each["category_id"] for each in record["annotations"]] == entry.labels.tolist()
    for name in catalog.VISDRONE.values():
        assert MetadataCatalog.get(name).thing_classes == list(CLASSES)


def test_voc_without_difficult_objects(datasets):
    """detectron2's records and boxes, less those that our reader leaves out."""
    for year in ("VOC2007", "VOC2012"):
        records = catalog.load_voc(datasets / year, "trainval")
        dataset = VocDataset(datasets, [f"{year}/trainval"])
        assert [f"{year}/JPEGImages/{record['image_id']}.jpg" for record in records] == [
            entry.file_name for entry in dataset.entries
        ]
        for entry, record in zip(dataset.entries, records, strict=True):
            assert [each["category_id"] for each in record["annotations"]] == entry.labels.tolist()
            boxes = torch.tensor([each["bbox"] for each in record["annotations"]]).reshape(-1, 4)
            assert torch.allclose(boxes, torch.from_numpy(entry.boxes))
        kept = VocDataset(datasets, [f"{year}/trainval"], difficult="keep")
        assert kept.num_boxes > dataset.num_boxes


def test_files_are_read_when_they_are_asked_for():
    """Names are there without data; what is missing is said by our reader. VOC's are where detectron2's are."""
    for name in (*catalog.VISDRONE.values(), *(catalog.OURS + each for each in catalog.VOC_TRAIN)):
        assert name in DatasetCatalog.list()
    assert MetadataCatalog.get("triplehead_voc_2007_trainval").dirname == (
        MetadataCatalog.get("voc_2007_trainval").dirname
    )
    with pytest.raises(InputError, match="no such folder, expected the images"):
        catalog.load_visdrone(Path("nowhere"))


def test_a_name_that_is_taken_stays(monkeypatch):
    name = catalog.VISDRONE["val"]
    before = DatasetCatalog[name]
    try:
        DatasetCatalog[name] = mine = list
        catalog.register_datasets()
        assert DatasetCatalog[name] is mine
    finally:
        DatasetCatalog[name] = before


def test_difficult_objects_stay_where_the_spec_keeps_them():
    spec = next(spec for spec in paper_specs("table6"))
    kept = changed(spec, data=spec.data.model_dump() | {"difficult": "keep"})
    assert "train=['triplehead_voc_2007_trainval', 'triplehead_voc_2012_trainval']" in config_text(spec, "")
    assert "train=['voc_2007_trainval', 'voc_2012_trainval']" in config_text(kept, "")


def test_visdrone_is_scored_by_the_organisers_protocol(datasets):
    """True boxes and one false are detected; the scores are our protocol's, from results in COCO's format."""
    name, folder = "triplehead:test", datasets / "visdrone" / "VisDrone2019-DET-val"
    MetadataCatalog.pop(name, None)
    MetadataCatalog.get(name).set(dirname=str(folder), evaluator_type=catalog.VISDRONE_EVALUATOR)
    cfg = lazy.dataloader(train=name, test=name, short=32, long=48, flip=0.5, batch_size=2)
    evaluator = instantiate(cfg.evaluator)
    assert isinstance(evaluator, VisDroneEvaluator)
    results = []
    for index, entry in enumerate(evaluator.dataset.entries):
        boxes, labels = torch.from_numpy(entry.boxes), torch.from_numpy(entry.labels)
        if index == 0:
            boxes = torch.cat([boxes[:-1], boxes[:1] + 5])
        scores = torch.linspace(0.9, 0.5, len(boxes))
        size = (entry.height, entry.width)
        found = Instances(size, pred_boxes=Boxes(boxes), scores=scores, pred_classes=labels)
        evaluator.process([{"image_id": entry.image_id}], [{"instances": found}])
        results += [
            {
                "image_id": entry.image_id,
                "category_id": label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
            }
            for (x1, y1, x2, y2), label, score in zip(boxes.tolist(), labels.tolist(), scores.tolist(), strict=True)
        ]
    scores = evaluator.evaluate()["bbox"]
    expected = visdrone_scores(evaluator.dataset.truth(), results, evaluator.dataset.categories)
    assert 0 < scores["AP"] < 100 and scores["AP"] == pytest.approx(expected["AP"])
    assert scores.keys() == {key.replace("/", "-") for key in expected}
    assert all(math.isnan(scores[f"AP50-{each}"]) == (expected[f"AP50/{each}"] is None) for each in CLASSES)
    evaluator.reset()
    assert evaluator.evaluate()["bbox"]["AP"] == 0
