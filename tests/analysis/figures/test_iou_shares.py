"""Figure 5 plots the shares of its runs, mean and range over seeds."""

import gzip
import json

import pytest

from triplehead.analysis.figures import iou_shares
from triplehead.data.prepare import open_split
from triplehead.plan.plan import load_plan


@pytest.fixture
def seeds(smoke, tmp_path):
    """Two seeds whose detections are known: all objects found exactly, and every second one."""
    _, results = smoke
    plan = load_plan({"scale": "smoke", "seeds": 2})
    (tmp_path / "data").symlink_to(results / "data")
    for row in plan.exhibits["fig5"].rows:
        for seed, spec in enumerate(plan.specs["fig5", row.label]):
            dataset = open_split(results / "data" / spec.data_id, "val")
            found = []
            for image in dataset.truth():
                for index, ((x1, y1, x2, y2), label) in enumerate(zip(image.boxes, image.labels, strict=True)):
                    away = 500 if seed and index % 2 else 0
                    category = dataset.label_to_category[label]
                    box = [x1 + away, y1, x2 - x1, y2 - y1]
                    found.append({"image_id": image.image_id, "category_id": category, "bbox": box, "score": 0.9})
            folder = tmp_path / "runs" / spec.id
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "detections.json.gz").write_bytes(gzip.compress(json.dumps(found).encode()))
    return plan, tmp_path


def test_the_line_is_the_mean_and_the_band_the_range_over_seeds(seeds):
    plan, results = seeds
    first, second = (iou_shares.run_shares(results, spec) for spec in plan.specs["fig5", "JLA"])
    assert (first == 100).all() and 40 < second.min() == second.max() < 80
    figure = iou_shares.draw(plan, "fig5", results)
    left, right = figure.axes
    lines = {line.get_label(): line for line in left.lines}
    labels = [row.label for row in plan.exhibits["fig5"].rows]
    assert list(lines) == labels
    assert lines["JLA"].get_xdata().tolist() == pytest.approx([0.5 + 0.05 * step for step in range(10)])
    assert lines["JLA"].get_ydata() == pytest.approx((first + second) / 2)
    band = left.collections[labels.index("JLA")].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((second.min(), 100))
    assert right.lines[2 * labels.index("JLA")].get_xdata() == pytest.approx([100, second[0.95]])


def test_a_run_without_predictions_is_said_to_have_none(seeds):
    plan, results = seeds
    for spec in plan.specs["fig5", "ATSS"]:
        (results / "runs" / spec.id / "detections.json.gz").write_bytes(gzip.compress(b"[]"))
    figure = iou_shares.draw(plan, "fig5", results)
    assert [text.get_text() for text in figure.axes[1].texts] == ["no predictions"]
