"""detectron2's own detectors with weights that detect something, and real photographs for them."""

import importlib.util

import pytest
import torch

REASON = "detectron2 cannot be imported here; docs/detectron2.md says how to get it"
PRESENT = importlib.util.find_spec("detectron2") is not None
if not PRESENT:
    collect_ignore_glob: list[str] = []


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/detectron2/" in item.path.as_posix():
            item.add_marker(pytest.mark.detectron2)
            if not PRESENT and item.get_closest_marker("without_detectron2") is None:
                item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.fixture(scope="session")
def photographs(real_data) -> list[torch.Tensor]:
    """uint8 [3, H, W] BGR, of sizes that 32 and 64 do not divide."""
    from triplehead.data.images import decode

    files = sorted((real_data / "coco" / "val2017").glob("*.jpg"))[:3]
    return [decode(file).flip(0)[:, :-7, :-3].contiguous() for file in files]
