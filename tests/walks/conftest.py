"""What the walks share: a clone without results, a shell in it as a user has one, and a small data_root."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.helpers import write_msra

from triplehead.data.prepare import prepare
from triplehead.plan.options import Scenes

Shell = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The files that the commands read, in a folder whose name holds a space."""
    folder = tmp_path_factory.mktemp("walk") / "a clone"
    for name in ("workflow", "experiments", "profiles", "reports"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pdf"))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def shell(clone) -> Shell:
    """Runs a command line in the clone under this environment; a status other than `status` fails the walk."""
    environment = {key: value for key, value in os.environ.items() if key != "TRIPLEHEAD_CONFIG"}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}

    def run(command: str, status: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(
            ["bash", "-c", command], cwd=clone, env=environment, capture_output=True, text=True, timeout=1800
        )
        assert done.returncode == status, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    return run


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    """Digit scenes in COCO's layout, categories and all, and weights as MSRA's file has them."""
    root, made = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("scenes") / "scenes"
    prepare(Scenes(train=8, val=4, image_size=64), None, made)
    for split in ("train", "val"):
        annotations = next(made.rglob(f"*{split}*.json"))
        document = json.loads(annotations.read_text())
        (root / "coco" / f"{split}2017").mkdir(parents=True)
        for image in document["images"]:
            shutil.copy(next(made.rglob(f"*{split}*/{image['file_name']}")), root / "coco" / f"{split}2017")
        first = 1 + max(category["id"] for category in document["categories"])
        missing = 80 - len(document["categories"])
        document["categories"] += [{"id": first + n, "name": f"no digit {n}"} for n in range(missing)]
        place = root / "coco" / "annotations" / f"instances_{split}2017.json"
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(document))
    write_msra(root / "weights")
    return root


def jobs(done: subprocess.CompletedProcess) -> dict[str, int]:
    """Rule -> jobs that a dry run plans."""
    rows = [line.split() for line in done.stdout.split("Job stats:")[1].splitlines()[3:]]
    return {row[0]: int(row[1]) for row in rows[: next(n for n, row in enumerate(rows) if not row)]}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a Markdown page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """The command lines of a page's shell blocks, without comments."""
    lines = [re.sub(r"(^|\s+)#.*", "", line).strip() for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in lines if line]
