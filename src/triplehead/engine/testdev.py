"""Detections on COCO's test-dev, packed as the evaluation server wants them."""

import json
import math
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from triplehead.data.coco import CocoDataset
from triplehead.data.prepare import read_manifest
from triplehead.engine import runtime
from triplehead.engine.evaluate import predict, trained_model
from triplehead.engine.finite import all_finite
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.runs import RunSpec

FIELDS = ("image_id", "category_id", "bbox", "score")
BEGINNING = (1980, 1, 1, 0, 0, 0)  # of zip's calendar: the same detections give the same bytes


def pack(
    spec: RunSpec,
    data: Path,
    run: Path,
    images: Path,
    image_info: Path,
    out: Path,
    algorithm: str | None = None,
    accelerator: str = "cpu",
    num_workers: int = 0,
) -> Path:
    """Predict on the images that `image_info` lists (no annotations needed) and write the server's zip below `out`.

    data: the folder of the data that the run was trained on, whose categories must be those of `image_info`.
    algorithm: its part of the file's name; the run's id unless given. Returns the zip's path. Raises InputError for
    a run of another data set, a missing model, image or file, and detections that the server would refuse.
    """
    name = results_name(spec.id.replace("_", "-") if algorithm is None else algorithm)
    if spec.dataset != "coco":
        raise InputError(spec.id, f"was trained on {spec.dataset}, but test-dev is COCO's")
    fabric = runtime.start(spec, accelerator)
    dataset = CocoDataset(images, image_info, annotated=False)
    if [list(each) for each in dataset.categories] != read_manifest(data)["splits"]["val"]["categories"]:
        raise InputError(image_info, "its categories differ from those that the run was trained on")
    dataset.check_images()
    model = trained_model(spec, run, fabric)
    with all_finite(model, spec.id):
        results = predict(model, dataset, spec, fabric, num_workers)
    check(results, set(dataset.image_ids), set(dataset.label_to_category), name)
    return write(results, name, out)


def results_name(algorithm: str) -> str:
    """detections_test-dev2017_<algorithm>_results. Raises InputError for anything but letters, digits and dashes:
    underscores part the name."""
    if not re.fullmatch(r"[A-Za-z0-9-]+", algorithm):
        raise InputError("algorithm", f"found {algorithm!r}, expected letters, digits and dashes")
    return f"detections_test-dev2017_{algorithm}_results"


def check(results: list[dict], image_ids: Collection[int], category_ids: Collection[int], where: str) -> None:
    """Raise InputError, with the entry's number, for what the server would refuse or score as nothing."""
    if not results:
        raise InputError(where, "holds no detection, which the server refuses")
    for index, row in enumerate(results):
        if tuple(sorted(row)) != tuple(sorted(FIELDS)):
            raise InputError(where, f"[{index}] has the fields {', '.join(row)}, expected {', '.join(FIELDS)}")
        for field, known in (("image_id", image_ids), ("category_id", category_ids)):
            if type(row[field]) is not int or row[field] not in known:
                raise InputError(where, f"[{index}].{field} is {row[field]!r}, which is not in the image_info file")
        box, score = row["bbox"], row["score"]
        if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)) or min(box[2:]) < 0:
            raise InputError(where, f"[{index}].bbox is {box!r}, expected x, y and sides of at least 0, all finite")
        if not _finite(score) or not 0 <= score <= 1:
            raise InputError(where, f"[{index}].score is {score!r}, expected a number of 0..1")


def write(results: list[dict], name: str, out: Path) -> Path:
    """`out`/`name`.zip with `name`.json in it; the same results give the same bytes."""
    path = out / f"{name}.zip"
    entry = zipfile.ZipInfo(f"{name}.json", BEGINNING)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(entry, json.dumps(results, separators=(",", ":"), allow_nan=False), compresslevel=6)
    return path


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
