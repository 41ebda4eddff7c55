"""A made-up results folder, for temporary folders only: the report's inputs in their formats, untrained."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import write_speed_record

from triplehead.analysis.claims.ledger import ledger
from triplehead.analysis.claims.ledger import write_csv as write_ledger
from triplehead.analysis.figures import figures, overviews, write_figure
from triplehead.analysis.tables import table_frame, write_csv
from triplehead.data.examples import example_images
from triplehead.data.prepare import open_split, prepare
from triplehead.digests import made_by, record
from triplehead.plan.options import Scenes
from triplehead.plan.plan import Plan, load_plan
from triplehead.plan.schema import AVERAGES

LOSSES = ("classification", "box", "coarse_box", "quality")
METRICS = ("AP", "AP50", "AP75")
ENVIRONMENT = {
    "triplehead": "0.1.0",
    "python": "3.11.9",
    "processor": "A made-up processor",
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
    for name in [*overviews(plan), *figures(plan)]:
        write_figure(plan, name, results)
    write_ledger(ledger(plan, results), results / "claims.csv")
    record("all", [path for path in made_by(plan, results) if path.is_file()], results)


def _run(folder: Path, data: Path, spec, generator: np.random.Generator, points: int) -> None:
    folder.mkdir(parents=True)
    dataset = open_split(data, "val")
    found = [
        {
            "image_id": image.image_id,
            "category_id": dataset.label_to_category[label],
            "bbox": [side + float(generator.normal(0, 2)) for side in (x1, y1, x2 - x1, y2 - y1)],
            "score": float(generator.random()),
        }
        for image in dataset.truth()
        for (x1, y1, x2, y2), label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True)
    ]
    (folder / "detections.json.gz").write_bytes(gzip.compress(json.dumps(found).encode(), mtime=0))
    dense = spec.detector.architecture == "dense"
    taken = [_snapshot(dataset, iteration) for iteration in (1, 5, 15, 30)] if dense else []
    (folder / "assignments.json.gz").write_bytes(gzip.compress(json.dumps(taken).encode(), mtime=0))
    scores = {name: 40 + float(generator.normal(0, 2)) for name in (*METRICS, "APS", "APM", "APL")}
    scores |= {f"{name}_{average}": scores[name] - 1 for name in METRICS for average in AVERAGES[spec.dataset]}
    (folder / "scores.json").write_text(json.dumps(scores | {"images": 6, "detections": len(found)}))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT | {"data": open_split(data, "train").digest()}))
    (folder / "spec.json").write_text(spec.model_dump_json())
    triple = dense and spec.detector.head.name == "triple"
    names = [name for name in LOSSES if name != "coarse_box" or triple]
    names += ["positives"] if dense else []
    lines = [",".join(["iteration", "lr", *names, "loss"])]
    for step in range(1, points + 1):
        values = [1.5 * float(np.exp(-2 * step / points) + generator.random() / 5) for _ in names]
        lines.append(",".join(map(repr, [step * spec.schedule.iterations // points, 0.003, *values, sum(values)])))
    (folder / "history.csv").write_text("\n".join(lines) + "\n")


def _snapshot(dataset, iteration: int) -> dict:
    """Each object has one positive, its centre, whose box comes closer with the iterations."""
    images = []
    for index in example_images(dataset):
        target = dataset[index][1]
        boxes = target["boxes"].tolist()
        centers = [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in boxes]
        predicted = [[side + 10 / iteration for side in box] for box in boxes]
        images.append(
            {
                "image_id": target["image_id"],
                "size": list(target["size"]),
                "boxes": boxes,
                "positives": [[*centers[i], i, *predicted[i]] for i in range(len(boxes))],
                "ignored": [],
                "negatives": [[4, 4, 0, 0, 20, 20]],
            }
        )
    return {"iteration": iteration, "images": images}


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


@pytest.fixture(scope="session")
def fabricate_proxy(tmp_path_factory):
    """(plan, results folder) of a made-up proxy study of two seeds."""
    plan = load_plan({"scale": "proxy", "seeds": 2})
    results = tmp_path_factory.mktemp("proxy") / "results"
    write_results(plan, results)
    write_csv(table_frame(plan, "table4", results / "runs"), results / "table4.csv")
    return plan, results
