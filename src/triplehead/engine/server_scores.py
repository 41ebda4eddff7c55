"""The scores that COCO's evaluation server gives for test-dev, read strictly.

They stand in its stdout.txt; its scores.txt is reported to hold those of val (codalab/codalab-competitions, 3538).
"""

import json
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from triplehead.data.prepare import read_manifest
from triplehead.engine.coco_scores import NAMES
from triplehead.errors import InputError
from triplehead.paths import TESTDEV, atomic
from triplehead.plan.runs import RunSpec

# What pycocotools prints (Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.409): the
# server's stdout.txt.
LINE = re.compile(
    r"\s*Average (?:Precision|Recall)\s+\((A[PR])\) @\[ "
    r"IoU=([\d.:]+)\s*\| area=\s*(\w+) \| maxDets=\s*(\d+) \] = (\S+)\s*"
)
LINES: dict[tuple[str, ...], str] = {
    ("AP", "0.50:0.95", "all", "100"): "AP",
    ("AP", "0.50", "all", "100"): "AP50",
    ("AP", "0.75", "all", "100"): "AP75",
    ("AP", "0.50:0.95", "small", "100"): "APS",
    ("AP", "0.50:0.95", "medium", "100"): "APM",
    ("AP", "0.50:0.95", "large", "100"): "APL",
    ("AR", "0.50:0.95", "all", "1"): "AR1",
    ("AR", "0.50:0.95", "all", "10"): "AR10",
    ("AR", "0.50:0.95", "all", "100"): "AR100",
    ("AR", "0.50:0.95", "small", "100"): "ARS",
    ("AR", "0.50:0.95", "medium", "100"): "ARM",
    ("AR", "0.50:0.95", "large", "100"): "ARL",
}
# The names on COCO's leaderboard.
KEYS = dict(
    zip(
        ("AP", "AP_50", "AP_75", "AP_small", "AP_medium", "AP_large", "AR_max_1", "AR_max_10", "AR_max_100",
         "AR_small", "AR_medium", "AR_large"),
        NAMES,
        strict=True,
    )
)  # fmt: skip


def store(file: Path, spec: RunSpec, data: Path, run: Path) -> dict[str, float]:
    """Read the server's scores from `file` and write them, in percent and marked as test-dev's, to `run`/testdev.json.

    data: the folder of the data that `spec` was trained on. Raises InputError for a run that the server cannot have
    scored (digit scenes, another data set, categories that are not COCO's), where it has not been trained, and as
    `read` does.
    """
    if not spec.on_test_dev:
        raise InputError(spec.id, "was not trained on COCO below data_root, so that its server cannot have scored it")
    if not (run / "model.pt").is_file():
        raise InputError(run, "holds no trained run")
    if sorted(read_manifest(data)["splits"]["val"]["categories"]) != _categories():
        raise InputError(data, "its categories are not COCO's 80, which alone its server scores")
    scores = read(file)
    with atomic(run / TESTDEV) as temporary:
        weights = sha256((run / "model.pt").read_bytes()).hexdigest()
        content = {"split": "test-dev2017", "scored_by": "COCO's evaluation server", "weights": weights} | scores
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return scores


def _categories() -> list[list]:
    """[id, name] of COCO's 80 in the order of ids, which have gaps."""
    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return [[number, name] for number, name in enumerate(names) if name not in ("__background__", "N/A")]


def read(file: Path) -> dict[str, float]:
    """The twelve numbers in percent, from the server's output or a JSON object of the leaderboard's names.

    Raises InputError naming what is missing, twice there, unknown, or no share of 0..1. Scores of -1 (evaluated
    without annotations) are refused too.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise InputError(file, "is not UTF-8 text") from None
    found = _from_json(file, text) if text.lstrip().startswith("{") else _from_lines(file, text)
    if missing := [name for name in NAMES if name not in found]:
        raise InputError(file, f"{missing[0]} is missing, expected pycocotools' twelve lines or a JSON object")
    return {name: _percent(file, name, found[name]) for name in NAMES}


def _from_lines(file: Path, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if "Average Precision" not in line and "Average Recall" not in line:
            continue
        match = LINE.fullmatch(line)
        name = LINES.get(match.group(1, 2, 3, 4)) if match else None
        if match is None or name is None:
            raise InputError(file, f"line {number} is none of pycocotools' twelve: {line.strip()!r}")
        if name in found:  # the server may print other splits too
            raise InputError(file, f"line {number}: {name} occurs twice, keep the twelve lines of test-dev alone")
        try:
            found[name] = float(match.group(5))
        except ValueError:
            found[name] = match.group(5)
    return found


def _from_json(file: Path, text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if twice := [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]:
            raise InputError(file, f"{twice[0]} occurs twice")
        return dict(pairs)

    try:
        content = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InputError(file, f"is not valid JSON ({error})") from None
    if unknown := [name for name in content if name not in KEYS]:
        raise InputError(file, f"unknown score {unknown[0]!r}, expected {', '.join(KEYS)}")
    return {KEYS[name]: value for name, value in content.items()}


def _percent(file: Path, name: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:  # NaN is in no range
        raise InputError(file, f"{name} is {value!r}, expected a share of 0..1")
    return round(100 * value, 6)
