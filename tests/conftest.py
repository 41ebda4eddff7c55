import os
import shutil
from pathlib import Path

import pytest

# Small tensors are faster on one thread, and parallel tests do not fight for cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.pop("TRIPLEHEAD_CONFIG", None)

ROOT = Path(__file__).parents[1]
STARTED = Path.cwd()
SIBLING = ROOT.parent / "shared" / "data"
REAL_DATA = "TRIPLEHEAD_REAL_DATA"  # the folder of the samples, where they do not lie there


@pytest.fixture
def experiments(tmp_path) -> Path:
    """A copy of experiments/ to change."""
    return Path(shutil.copytree(ROOT / "experiments", tmp_path / "experiments"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real COCO, VOC and VisDrone samples: named by the environment, or beside the repository."""
    named = os.environ.get(REAL_DATA)
    folder = (STARTED / named) if named else SIBLING
    if not folder.is_dir():
        if named:
            pytest.fail(f"{REAL_DATA}: no such folder: {folder}")
        pytest.skip(f"no real sample data in {SIBLING}, and {REAL_DATA} names no other folder")
    return folder.resolve()


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)
