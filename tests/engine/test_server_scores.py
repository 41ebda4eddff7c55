"""What COCO's server says is read strictly: as pycocotools prints it, or as JSON."""

import contextlib
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval
from typer.testing import CliRunner

from triplehead import paths
from triplehead.cli.app import commands
from triplehead.engine.server_scores import KEYS, read, store
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

SHARES = [0.409, 0.585, 0.443, 0.231, 0.441, 0.514, 0.33, 0.55, 0.59, 0.4, 0.63, 0.0]
PERCENT = {"AP": 40.9, "AP50": 58.5, "AP75": 44.3, "APS": 23.1, "APM": 44.1, "APL": 51.4,
           "AR1": 33, "AR10": 55, "AR100": 59, "ARS": 40, "ARM": 63, "ARL": 0}  # fmt: skip


def printed(shares) -> str:
    """What pycocotools itself prints for these twelve numbers."""
    evaluator = COCOeval(iouType="bbox")
    thresholds, areas, counts = 10, 4, 3
    precision = np.full((thresholds, 1, 1, areas, counts), -1.0)
    recall = np.full((thresholds, 1, areas, counts), -1.0)
    ap, ap50, ap75, small, medium, large, *recalls = shares
    precision[:, 0, 0, 0, 2] = ap
    for area, value in ((1, small), (2, medium), (3, large)):
        precision[:, 0, 0, area, 2] = value
    for count, value in enumerate(recalls[:3]):
        recall[:, 0, 0, count] = value
    for area, value in enumerate(recalls[3:], 1):
        recall[:, 0, area, 2] = value
    evaluator.eval = {"precision": precision, "recall": recall}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        evaluator.summarize()
    lines = out.getvalue().splitlines()
    # One array holds all thresholds: the lines of AP50 and AP75 get their own number.
    for index, value in ((1, ap50), (2, ap75)):
        lines[index] = f"{lines[index].rpartition(' ')[0]} {value:0.3f}"
    return "\n".join(lines)


def written(tmp_path, text):
    path = tmp_path / "stdout.txt"
    path.write_text(text)
    return path


def test_the_servers_output_is_read(tmp_path):
    text = "Loading and preparing results...\nDONE (t=23.28s)\n" + printed(SHARES) + "\n\n"
    assert read(written(tmp_path, text)) == PERCENT


def test_json_is_read(tmp_path):
    assert read(written(tmp_path, json.dumps(dict(zip(KEYS, SHARES, strict=True))))) == PERCENT


COCO_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # ids that COCO's 80 categories leave out
COCO_IDS = [number for number in range(1, 91) if number not in COCO_GAPS]


COCO_NAMES = (
    """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, parking
meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie,
suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis
racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog,
pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell
phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush
""".replace("\n", " ")
    .strip()
    .split(", ")
)


def row(scale: str, exhibit: str, label: str):
    return load_plan({"scale": scale}).specs[exhibit, label][0]


def data_with(folder, categories) -> Path:
    """A manifest with these categories."""
    split = {
        "images": "i",
        "annotations": "a",
        "num_images": 1,
        "num_boxes": 1,
        "categories": categories,
        "digest": "d",
    }
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"options": {}, "splits": {"train": split, "val": split}}))
    return folder


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.pt").write_bytes(b"weights")
    return tmp_path / "run"


def test_scores_lie_in_the_run_marked_as_test_devs(tmp_path, run):
    file, spec = written(tmp_path, printed(SHARES)), row("mini", "table9", "Ours, ResNet50")
    data = data_with(tmp_path / "data", list(zip(COCO_IDS, COCO_NAMES, strict=True)))
    with pytest.raises(InputError, match="holds no trained run"):
        store(file, spec, data, tmp_path / "other")
    store(file, spec, data, run)
    first = (run / "testdev.json").read_bytes()
    content = json.loads(first)
    assert content.pop("split") == "test-dev2017" and "server" in content.pop("scored_by")
    assert content.pop("weights") == hashlib.sha256(b"weights").hexdigest()
    assert content == PERCENT
    store(file, spec, data, run)
    assert (run / "testdev.json").read_bytes() == first


def test_the_commands_of_a_run(tmp_path, monkeypatch):
    """`pack` is given the run's own data, weights and test-dev's images; `scores` puts the server's numbers beside them."""
    spec, packed = row("mini", "table9", "Ours, ResNet50"), []
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr("triplehead.engine.testdev.pack", lambda *given, **_: packed.append(given) or "the.zip")
    config = ["-c", "scale=mini", "-c", f"data_root={tmp_path}"]
    result = CliRunner().invoke(
        commands(), ["testdev", "pack", spec.id, "--out", "there", "--algorithm", "ours", *config]
    )
    assert (result.exit_code, result.output) == (0, "the.zip\n")
    coco, data, run = tmp_path / "coco", tmp_path / "data" / spec.data_id, tmp_path / "runs" / spec.id
    info = coco / "annotations" / "image_info_test-dev2017.json"
    assert packed == [(spec, data, run, coco / "test2017", info, Path("there"), "ours")]

    data.parent.mkdir()
    data_with(data, list(zip(COCO_IDS, COCO_NAMES, strict=True)))
    run.mkdir(parents=True)
    (run / "model.pt").write_bytes(b"weights")
    file = written(tmp_path, printed(SHARES))
    assert CliRunner().invoke(commands(), ["testdev", "scores", spec.id, str(file), *config]).exit_code == 0
    assert json.loads((run / "testdev.json").read_text())["AP"] == 40.9


@pytest.mark.parametrize(
    ("scale", "exhibit", "label"),
    [("smoke", "table9", "Ours, ResNet50"), ("proxy", "table9", "Ours, ResNet101"), ("mini", "table6", "Ours")],
)
def test_runs_that_never_saw_coco_take_no_scores(tmp_path, run, scale, exhibit, label):
    """Digit scenes in COCO's layout are not COCO, nor is the user's VOC."""
    spec = row(scale, exhibit, label)
    data = data_with(tmp_path / "data", list(zip(COCO_IDS, COCO_NAMES, strict=True)))
    with pytest.raises(InputError, match=f"{spec.id}: was not trained on COCO below data_root"):
        store(written(tmp_path, printed(SHARES)), spec, data, run)
    assert not (run / "testdev.json").exists()


def test_eighty_other_categories_are_not_cocos(tmp_path, run):
    data = data_with(tmp_path / "data", [[number, f"thing {number}"] for number in COCO_IDS])
    with pytest.raises(InputError, match="its categories are not COCO's 80"):
        store(written(tmp_path, printed(SHARES)), row("mini", "table9", "Ours, ResNet50"), data, run)
    assert not (run / "testdev.json").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (printed(SHARES) + "\n" + printed(SHARES), r"line 13: AP occurs twice, keep the twelve lines of test-dev"),
        (printed([-1] * 12), r"AP is -1\.0, expected a share of 0\.\.1"),
        (printed(SHARES).replace("0.585", "58.5"), r"AP50 is 58\.5, expected a share"),
        (printed(SHARES).replace("0.585", "nan"), "AP50 is nan"),
        (printed(SHARES).replace("0.585", "high"), "AP50 is 'high'"),
        ("\n".join(printed(SHARES).splitlines()[:-1]), "ARL is missing"),
        (printed(SHARES).replace("maxDets=100", "maxDets=300"), r"line 1 is none of pycocotools' twelve"),
        (printed(SHARES).replace("= 0.585", "="), r"line 2 is none of pycocotools' twelve"),
        ("", "AP is missing"),
        ('{"AP": 0.4}', "AP50 is missing"),
        ('{"AP": 0.4, "AP": 0.5}', "AP occurs twice"),
        ('{"AP": 0.4, "mAP": 0.5}', "unknown score 'mAP'"),
        ('{"AP": 0.4,', "is not valid JSON"),
        (json.dumps(dict(zip(KEYS, [*SHARES[:-1], "0.5"], strict=True))), "ARL is '0.5'"),
        (json.dumps(dict(zip(KEYS, [*SHARES[:-1], True], strict=True))), "ARL is True"),
    ],
)
def test_what_is_no_score_of_the_server_is_refused(tmp_path, text, problem):
    with pytest.raises(InputError, match=problem):
        read(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"stdout\.txt: cannot be read"):
        read(tmp_path / "stdout.txt")
