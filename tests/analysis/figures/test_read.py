"""Files that are broken are named, with what was expected."""

import gzip
import json

import pytest

from triplehead.analysis.figures.read import read_assignments, read_history, read_results
from triplehead.data.prepare import open_split
from triplehead.errors import InputError


@pytest.fixture(scope="module")
def dataset(smoke):
    plan, results = smoke
    return open_split(results / "data" / plan.specs["fig6", "FCOS"][0].data_id, "val")


def packed(value) -> bytes:
    return gzip.compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        gzip.compress(b"{"),
        packed([{"score": 1}]),
        packed([{"image_id": 10**9, "category_id": 0, "bbox": [0, 0, 1, 1], "score": 1}]),
        packed(5),
    ],
)
def test_broken_detections(dataset, tmp_path, content):
    path = tmp_path / "detections.json.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"detections\.json\.gz: expected (gzipped )?COCO results") as caught:
        read_results(path, dataset)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", packed({}), packed([1]), packed([{"iteration": 1}]), packed([])])
def test_broken_snapshots(tmp_path, content):
    path = tmp_path / "assignments.json.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"assignments\.json\.gz: (expected|holds no)"):
        read_assignments(path)


@pytest.mark.parametrize(
    "content",
    ["", "iteration,loss\n", "a,b\n1,2\n", "iteration,loss\n1,x\n", "iteration,loss\n1,2\n2,True\n", "iteration,loss\nx,2\n",
     "iteration,loss\n1.5,2\n", "iteration,loss\n1,2\n1,2\n", "iteration,loss\n1,2\n2\n,\n", "iteration\n1,2\n3,4,5\n"],
)  # fmt: skip
def test_broken_histories(tmp_path, content):
    path = tmp_path / "history.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"history\.csv: "):
        read_history(path)
