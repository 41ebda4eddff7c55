"""A made-up data set in COCO's layout with a declaration of its own, small enough to be served by a test."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import yaml

from triplehead.data import scenes
from triplehead.plan.options import Scenes

SCENES = Scenes(train=6, val=4, image_size=64, seed=3)
PARTS = {"annotations.zip": ["annotations"], "val.tar.gz": ["val2017"], "train.zip": ["train2017"]}
GIVES = {
    "annotations.zip": {"annotations/instances_train2017.json": 1, "annotations/instances_val2017.json": 1},
    "val.tar.gz": {"val2017": 4},
    "train.zip": {"train2017": 6},
}


def write(folder: Path) -> Path:
    """The data set below `folder`, where its authors have it."""
    scenes.write(SCENES, folder)
    return folder


def pack(folder: Path) -> dict[str, bytes]:
    """Its archives, by their file names."""
    return {name: _archive(folder, name, PARTS[name]) for name in PARTS}


def _archive(folder: Path, name: str, parts: list[str]) -> bytes:
    files = sorted(path for part in parts for path in (folder / part).rglob("*") if path.is_file())
    buffer = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(folder).as_posix())
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for file in files:
                archive.add(file, file.relative_to(folder).as_posix())
    return buffer.getvalue()


def declare(experiments: Path, archives: dict[str, bytes], address: str, **counts) -> None:
    """Write the declaration in place of COCO's, and let scale mini expect ten classes. `counts`: by part."""
    document = {
        "title": "Made up",
        "page": "https://example.invalid/",
        "folder": "coco",
        "sources": ["the test"],
        "archives": [
            {
                "file": name,
                "url": f"{address}/{name}",
                "bytes": len(content),
                "md5": hashlib.md5(content).hexdigest(),
                "gives": GIVES[name],
            }
            for name, content in archives.items()
        ],
        "parts": counts or {"instances_train2017": {"images": 6}, "instances_val2017": {"images": 4}},
    }
    (experiments / "datasets" / "coco.yaml").write_text(yaml.safe_dump(document))
    scale = experiments / "scales" / "mini.yaml"
    text = scale.read_text().replace("layout: coco}", "layout: coco, num_classes: 10}")
    scale.write_text(text)
