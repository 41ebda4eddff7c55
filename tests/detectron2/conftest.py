"""What the tests of the bridge share; without detectron2 all but `test_absent` skip, and say why."""

import importlib.util
from pathlib import Path

import pytest

REASON = "detectron2 cannot be imported here; docs/detectron2.md says how to get it"
HERE = Path(__file__).parent
PRESENT = importlib.util.find_spec("detectron2") is not None
# Files that import it at their top cannot even be collected; `test_absent.py` stands for them.
collect_ignore_glob = [] if PRESENT else ["test_[!a]*.py"]


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE and item.path.name != "test_absent.py":
            item.add_marker(pytest.mark.detectron2)


@pytest.fixture(scope="session")
def photographs(real_data):
    """uint8 [3, H, W] BGR, of sizes that 32 does not divide."""
    from triplehead.data.images import decode

    files = sorted((real_data / "coco" / "val2017").glob("*.jpg"))[:2]
    return [decode(file).flip(0)[:, :-7, :-3].contiguous() for file in files]
