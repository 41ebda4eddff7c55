"""A made-up results folder, for temporary folders only: the report's inputs in their formats, untrained."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import write_speed_record

from triplehead.analysis.tables import table_frame, write_csv
from triplehead.data.prepare import open_split, prepare
from triplehead.plan.options import Scenes
from triplehead.plan.plan import Plan, load_plan

LOSSES = ("classification", "box", "coarse_box", "quality")
ENVIRONMENT = {
    "triplehead": "0.1.0",
    "python": "3.11.9",
    "processor": "A made-up processor",
    "data": "0123456789ab",
}


def write_results(plan: Plan, results: Path, data_root: Path | None = None, points: int = 30) -> None:
    """Write data, runs and tables of scores in the formats that a finished plan leaves."""
    generator = np.random.default_rng(0)
    for data_id, spec in plan.data.items():
        few = spec.data.model_copy(update={"train": 4, "val": 8}) if isinstance(spec.data, Scenes) else spec.data
        prepare(few, data_root, results / "data" / data_id)
    for run in plan.runs.values():
        _run(results / "runs" / run.id, results / "data" / run.spec.data_id, run.spec, generator, points)
    for name, exhibit in plan.exhibits.items():
        if exhibit.kind == "speed":
            write_speed_record(plan, name, results)
        if exhibit.kind in ("scores", "speed"):
            write_csv(table_frame(plan, name, results / "runs"), results / f"{name}.csv")


def _run(folder: Path, data: Path, spec, generator: np.random.Generator, points: int) -> None:
    folder.mkdir(parents=True)
    dataset = open_split(data, "val")
    truth = json.loads(dataset.annotations.read_text())["annotations"]
    found = [
        {
            "image_id": entry["image_id"],
            "category_id": entry["category_id"],
            "bbox": [side + float(generator.normal(0, 2)) for side in entry["bbox"]],
            "score": float(generator.random()),
        }
        for entry in truth
    ]
    (folder / "detections.json.gz").write_bytes(gzip.compress(json.dumps(found).encode(), mtime=0))
    scores = {name: 40 + float(generator.normal(0, 2)) for name in ("AP", "AP50", "AP75", "APS", "APM", "APL")}
    (folder / "scores.json").write_text(json.dumps(scores | {"images": 6, "detections": len(found)}))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "spec.json").write_text(spec.model_dump_json())
    triple = getattr(spec.detector, "head", None) is not None and spec.detector.head.name == "triple"
    names = [name for name in LOSSES if name != "coarse_box" or triple]
    lines = [",".join(["iteration", "lr", *names, "loss"])]
    for step in range(1, points + 1):
        values = [1.5 * float(np.exp(-2 * step / points) + generator.random() / 5) for _ in names]
        lines.append(",".join(map(repr, [step * spec.schedule.iterations // points, 0.003, *values, sum(values)])))
    (folder / "history.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def fabricate():
    """Writes a made-up results folder for a plan."""
    return write_results


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """(plan, results folder) of a made-up smoke run, Table 4 counted."""
    plan = load_plan({"scale": "smoke"})
    results = tmp_path_factory.mktemp("smoke") / "results"
    write_results(plan, results)
    for name, exhibit in plan.exhibits.items():
        if exhibit.kind == "parameters":
            write_csv(table_frame(plan, name, results / "runs"), results / f"{name}.csv")
    return plan, results
