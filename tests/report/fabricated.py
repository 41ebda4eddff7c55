"""A made-up results folder: the report's inputs in their formats, without training. Only for temporary folders."""

import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image

from triplehead.analysis.tables import table_frame, write_csv
from triplehead.plan.options import Scenes
from triplehead.plan.plan import Plan

LOSSES = ("classification", "box", "coarse_box", "quality")
ENVIRONMENT = {
    "triplehead": "0.1.0", "python": "3.11.9", "machine": "x86_64", "processor": "A processor with a long name @ 2.4 GHz",
    "system": "Linux", "torch": "2.14.1", "torchvision": "0.29.1", "lightning-fabric": "2.6.6",
    "pycocotools": "2.0.11", "numpy": "2.4.0", "scikit-learn": "1.9.0", "snakemake": "9.27.1", "mlflow": "3.17.2",
    "data": "0123456789abcdef",
}  # fmt: skip


def fabricate(plan: Plan, results: Path, images: int = 6, points: int = 30, tables: bool = True) -> None:
    """Write data, runs and tables that look like those of a finished plan."""
    generator = np.random.default_rng(0)
    for data_id, spec in plan.data.items():
        _data(results / "data" / data_id, generator, images, isinstance(spec.data, Scenes))
    for run in plan.runs.values():
        _run(results / "runs" / run.id, results / "data" / run.spec.data_id, run.spec, generator, points)
    if tables:
        for name, exhibit in plan.exhibits.items():
            if exhibit.kind in ("scores", "speed"):
                write_csv(table_frame(plan, name, results / "runs"), results / f"{name}.csv")


def _data(folder: Path, generator: np.random.Generator, images: int, square: bool) -> None:
    document = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 10 + i, "name": str(i)} for i in range(10)],
    }
    (folder / "val").mkdir(parents=True)
    for index in range(1, images + 1):
        width, height = (128, 128) if square else (160 + 8 * index, 120)
        pixels = (
            generator.integers(30, 90, (height // 8, width // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        )
        Image.fromarray(pixels).save(folder / "val" / f"{index}.png")
        document["images"].append(
            {"id": index, "file_name": f"{index}.png", "width": width, "height": height}
        )
        for _ in range(int(generator.integers(2, 6))):
            side = generator.integers(14, 50, 2)
            corner = [
                int(generator.integers(0, most - s)) for most, s in zip((width, height), side, strict=True)
            ]
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": index,
                    "category_id": 10 + int(generator.integers(10)),
                    "bbox": [*corner, *map(int, side)],
                    "iscrowd": 0,
                }
            )
    (folder / "val.json").write_text(json.dumps(document))
    (folder / "manifest.json").write_text(json.dumps({"val": {"images": "val", "annotations": "val.json"}}))


def _run(folder: Path, data: Path, spec, generator: np.random.Generator, points: int) -> None:
    folder.mkdir(parents=True)
    truth = json.loads((data / "val.json").read_text())["annotations"]
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
    scores = {
        name: 40 + float(generator.normal(0, 2)) for name in ("AP", "AP50", "AP75", "APS", "APM", "APL")
    }
    (folder / "scores.json").write_text(json.dumps(scores | {"images": 6, "detections": len(found)}))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "spec.json").write_text(spec.model_dump_json())
    names = [name for name in LOSSES if name != "coarse_box" or spec.detector.head.name == "triple"]
    lines = [",".join(["iteration", "lr", *names, "loss"])]
    for step in range(1, points + 1):
        values = [1.5 * float(np.exp(-2 * step / points) + generator.random() / 5) for _ in names]
        lines.append(
            ",".join(map(repr, [step * spec.schedule.iterations // points, 0.003, *values, sum(values)]))
        )
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
