import os
import shutil
from pathlib import Path

import pytest

# Small tensors are faster on one thread, and parallel tests do not fight for cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.pop("TRIPLEHEAD_CONFIG", None)

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture
def experiments(tmp_path) -> Path:
    """A copy of experiments/ to change."""
    return Path(shutil.copytree(ROOT / "experiments", tmp_path / "experiments"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real COCO, VOC and VisDrone samples beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no real sample data in {SHARED}")
    return SHARED


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)
