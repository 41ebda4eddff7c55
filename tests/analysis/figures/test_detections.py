"""Figure 6 marks what was found, invented and missed, each detector above its own threshold."""

import gzip
import json

import numpy as np
import pytest

from triplehead.analysis.figures import detections, inputs
from triplehead.analysis.figures.style import style
from triplehead.data.examples import example_images
from triplehead.data.prepare import open_split


@pytest.fixture
def own(smoke, tmp_path):
    """Every detector finds all objects but each image's first, and invents one box with the lowest score."""
    plan, results = smoke
    (tmp_path / "data").symlink_to(results / "data")
    for file in inputs(plan, "fig6"):
        if not file.startswith("runs"):
            continue
        dataset = open_split(results / "data" / plan.run(file.split("/")[1]).data_id, "val")
        found = []
        for image in dataset.truth():
            rows = [((0, 0, 3, 3), 0, 0.5)]
            rows += [(box, label, 0.9) for box, label in zip(image.boxes[1:], image.labels[1:], strict=True)]
            for (x1, y1, x2, y2), label, score in rows:
                box, category = [float(x1), float(y1), float(x2 - x1), float(y2 - y1)], dataset.label_to_category[label]
                found.append({"image_id": image.image_id, "category_id": category, "bbox": box, "score": score})
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(gzip.compress(json.dumps(found).encode()))
    return plan, tmp_path, dataset


def test_each_panel_counts_and_marks(own):
    plan, results, dataset = own
    figure = detections.draw(plan, "fig6", results)
    rows, columns = len(plan.exhibits["fig6"].rows), example_images(dataset)
    assert len(figure.axes) == rows * len(columns)
    for place, axis in enumerate(figure.axes):
        count = len(dataset.entries[columns[place % len(columns)]].boxes)
        assert axis.get_xlabel() == f"{count - 1} found, 0 false, 1 missed"
        assert sum(text.get_text() == "?" for text in axis.texts) == 1
        assert len(axis.patches) == count
    assert [figure.axes[row * len(columns)].get_ylabel() for row in range(rows)] == [
        f"{label}\nscore ≥ 0.90" for label in ("FCOS", "ATSS", "Ours")
    ]


def test_a_false_positive_that_pays_for_its_threshold_is_marked(own):
    """Scores the other way round: below the threshold lies nothing worth losing."""
    plan, results, _ = own
    path = results / next(file for file in inputs(plan, "fig6") if file.startswith("runs"))
    found = json.loads(gzip.decompress(path.read_bytes()))
    for entry in found:
        entry["score"] = 1.4 - entry["score"]
    path.write_bytes(gzip.compress(json.dumps(found).encode()))
    figure = detections.draw(plan, "fig6", results)
    label = [row.label for row in plan.exhibits["fig6"].rows if plan.specs["fig6", row.label][0].id == path.parent.name]
    axis = next(axis for axis in figure.axes if axis.get_ylabel().startswith(label[0]))
    assert axis.get_xlabel().endswith("1 false, 1 missed")
    assert sum(text.get_text().startswith("× ") for text in axis.texts) == 1
    (wrong,) = [
        patch for patch in axis.patches if patch.get_edgecolor()[:3] == pytest.approx((0.835, 0.369, 0), abs=1e-2)
    ]
    assert np.allclose(wrong.get_bbox().extents, (0, 0, 3, 3))


def test_no_label_hides_another(own):
    """Every object found several times over: a label stands at a corner that is free, or nowhere."""
    plan, results, _ = own
    path = results / next(file for file in inputs(plan, "fig6") if file.startswith("runs"))
    found = json.loads(gzip.decompress(path.read_bytes()))
    wrong = [entry | {"score": 0.95, "category_id": category} for entry in found for category in (1, 2, 3, 4)]
    path.write_bytes(gzip.compress(json.dumps([*found, *wrong]).encode()))
    with style():
        figure = detections.draw(plan, "fig6", results)
        figure.set_dpi(300)  # as it is saved
        figure.canvas.draw()
        extents = [[text.get_window_extent().padded(-1) for text in axis.texts] for axis in figure.axes]
    dropped = 0
    for axis, boxes in zip(figure.axes, extents, strict=True):
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        dropped += len(axis.patches) - len(axis.texts)
        assert axis.texts
    assert dropped
