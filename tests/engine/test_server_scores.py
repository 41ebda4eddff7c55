"""What COCO's server says is read strictly: as pycocotools prints it, or as JSON."""

import contextlib
import hashlib
import io
import json

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval

from triplehead.engine.server_scores import KEYS, read, store
from triplehead.errors import InputError

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


def test_scores_lie_in_the_run_marked_as_test_devs(tmp_path):
    file, run = written(tmp_path, printed(SHARES)), tmp_path / "run"
    with pytest.raises(InputError, match="holds no trained run"):
        store(file, run)
    run.mkdir()
    (run / "model.pt").write_bytes(b"weights")
    store(file, run)
    first = (run / "testdev.json").read_bytes()
    content = json.loads(first)
    assert content.pop("split") == "test-dev2017" and "server" in content.pop("scored_by")
    assert content.pop("weights") == hashlib.sha256(b"weights").hexdigest()
    assert content == PERCENT
    store(file, run)
    assert (run / "testdev.json").read_bytes() == first


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
