"""What the tests of the bridge share; without detectron2 all but `test_absent` skip, and say why."""

import re
from pathlib import Path

import pytest

from triplehead.plan.engines import importable

REASON = "detectron2 cannot be imported here; docs/detectron2.md says how to get it"
HERE = Path(__file__).parent
ABSENT = "test_absent.py"  # needs no detectron2


class Skipped(pytest.Item):
    def runtest(self):
        pytest.skip(REASON)


class Unimportable(pytest.Module):
    """A file that imports detectron2 at its top, where there is none: its tests by their names, unread."""

    def collect(self):
        names = re.findall(r"^def (test_\w+)", self.path.read_text(encoding="utf-8"), re.MULTILINE)
        return [Skipped.from_parent(self, name=name) for name in names]


def pytest_pycollect_makemodule(module_path, parent):
    if not importable() and module_path.parent == HERE and module_path.name != ABSENT:
        return Unimportable.from_parent(parent, path=module_path)
    return None


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE and item.path.name != ABSENT:
            item.add_marker(pytest.mark.detectron2)


@pytest.fixture(scope="session")
def photographs(real_data):
    """uint8 [3, H, W] BGR, of sizes that 32 does not divide."""
    from triplehead.data.images import decode

    files = sorted((real_data / "coco" / "val2017").glob("*.jpg"))[:2]
    return [decode(file).flip(0)[:, :-7, :-3].contiguous() for file in files]
