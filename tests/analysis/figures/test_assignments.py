"""Figure 4 shows what the snapshots hold, and refuses those that do not belong together."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from triplehead.analysis.figures import assignments, inputs
from triplehead.analysis.figures.style import save
from triplehead.errors import InputError


@pytest.fixture
def own(smoke, tmp_path):
    """(plan, results) with copies of the figure's files to change."""
    plan, results = smoke
    for file in inputs(plan, "fig4"):
        target = tmp_path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.name == "manifest.json":
            target.parent.rmdir()
            target.parent.symlink_to(results / "data" / target.parent.name)
        else:
            target.write_bytes((results / file).read_bytes())
    return plan, tmp_path


def path_of(plan, results, label):
    return results / "runs" / plan.specs["fig4", label][0].id / "assignments.json.gz"


def changed(path, change):
    snapshots = json.loads(gzip.decompress(path.read_bytes()))
    change(snapshots)
    path.write_bytes(gzip.compress(json.dumps(snapshots).encode()))


def texts(figure: Figure) -> list[str]:
    return [text for axis in figure.axes for text in (axis.get_title(), axis.get_xlabel(), axis.get_ylabel()) if text]


def test_rows_are_detectors_columns_are_moments_and_iou_is_that_of_the_positives(own):
    plan, results = own

    def move(snapshots):  # two positives with their own box and one beside it: IoU (1 + 1 + 1/3) / 3
        for image in snapshots[2]["images"]:
            image["boxes"] = [[0, 0, 20, 20], [40, 40, 60, 60]]
            image["positives"] = [[5, 5, 0, 0, 0, 20, 20], [50, 50, 1, 40, 40, 60, 60], [9, 9, 0, 10, 0, 30, 20]]

    changed(path_of(plan, results, "Ours"), move)
    shown = texts(assignments.draw(plan, "fig4", results))
    assert [text for text in shown if text.startswith("after")] == [
        "after 1 iteration",
        "after 5 iterations",
        "after 15 iterations",
        "after 30 iterations",
    ]
    assert {"Baseline", "Ours"} <= set(shown)
    assert shown.count("3 positives, IoU 0.78") == 1


def test_panels_draw_points_and_boxes_and_the_curve_is_the_histories(own):
    """Purple: positives, a box and a dot each; green: negatives, with crosses; black: ground truth."""
    plan, results = own
    record = {
        "boxes": [[10, 10, 40, 40]],
        "positives": [[20, 21, 0, 12, 12, 38, 41], [22, 23, 0, 9, 9, 39, 40]],
        "negatives": [[70, 71, 60, 60, 80, 80]],
    }
    changed(path_of(plan, results, "Ours"), lambda taken: taken[1]["images"][0].update(record))
    file = path_of(plan, results, "Ours").with_name("history.csv")
    history = pd.read_csv(file)
    history.assign(positives=0.5 * history["iteration"]).to_csv(file, index=False)
    *panels, curves = assignments.draw(plan, "fig4", results).axes
    panel = panels[5]  # the second row's second
    looks = (
        ("positives", assignments.POSITIVE, "o", [[20, 21], [22, 23]]),
        ("negatives", assignments.NEGATIVE, "x", [[70, 71]]),
        ("boxes", "black", None, []),
    )
    for name, color, marker, points in looks:
        drawn = [patch.get_bbox().extents for patch in panel.patches if to_rgb(patch.get_edgecolor()) == to_rgb(color)]
        assert np.allclose(drawn, [entry[-4:] for entry in record[name]], atol=1)
        dots = [line.get_xydata()[0].tolist() for line in panel.lines if line.get_marker() == marker]
        assert dots == points
    assert len(panel.patches) == 4 and len(panel.lines) == 3

    for line, row in zip(curves.lines, plan.exhibits["fig4"].rows, strict=False):
        history = pd.read_csv(results / "runs" / plan.specs["fig4", row.label][0].id / "history.csv")
        assert line.get_label() == row.label and len(history) < 40  # too short to be smoothed
        assert line.get_xydata().tolist() == history[["iteration", "positives"]].to_numpy().tolist()


def test_an_image_without_positives_is_drawn(own):
    plan, results = own
    changed(path_of(plan, results, "Ours"), lambda taken: taken[0]["images"][0].update(positives=[]))
    assert "0 positives" in texts(assignments.draw(plan, "fig4", results))


def diverge(plan, results, label, iteration):
    """As a training leaves it that stopped there; no snapshot was due before."""
    changed(path_of(plan, results, label), list.clear)
    folder = path_of(plan, results, label).parent
    (folder / "scores.json").write_text(json.dumps({"AP": None, "diverged": {"iteration": iteration}}))
    lines = (folder / "history.csv").read_text().splitlines()
    (folder / "history.csv").write_text("\n".join(lines[: 1 + iteration]) + "\n")


def test_a_run_that_diverged_before_its_first_snapshot_is_drawn_as_such(own, tmp_path):
    plan, results = own
    diverge(plan, results, "Ours", 1)
    shown = texts(assignments.draw(plan, "fig4", results))
    assert shown.count("diverged") == 4 and sum(text.startswith("after") for text in shown) == 4
    diverge(plan, results, "Baseline", 1)
    figure = assignments.draw(plan, "fig4", results)
    assert texts(figure).count("diverged") == 2 and {"Baseline", "Ours"} <= set(texts(figure))
    save(figure, tmp_path / "figure.pdf")


@pytest.mark.parametrize(
    "change",
    [
        lambda taken: taken.pop(),
        lambda taken: taken[1].update(iteration=6),
        lambda taken: taken[0]["images"][0].update(image_id=999),
    ],
)
def test_snapshots_of_other_images_or_iterations_are_refused(own, change):
    plan, results = own
    changed(path_of(plan, results, "Ours"), change)
    with pytest.raises(InputError, match=r"assignments\.json\.gz: holds other images or iterations"):
        assignments.draw(plan, "fig4", results)


def test_a_detector_without_snapshots_and_a_history_without_counts_are_named(own):
    plan, results = own
    history = results / "runs" / plan.specs["fig4", "Ours"][0].id / "history.csv"
    history.write_text(history.read_text().replace("positives", "something"))
    with pytest.raises(InputError, match=r"history\.csv: expected a column 'positives'"):
        assignments.draw(plan, "fig4", results)
    changed(path_of(plan, results, "Ours"), list.clear)
    with pytest.raises(InputError, match="holds no snapshots: only a dense detector"):
        assignments.draw(plan, "fig4", results)
