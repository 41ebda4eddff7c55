"""Figure 4 shows what the snapshots hold, and refuses those that do not belong together."""

import gzip
import json

import pytest
from matplotlib.figure import Figure

from triplehead.analysis.figures import assignments, inputs
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


def test_an_image_without_positives_is_drawn(own):
    plan, results = own
    changed(path_of(plan, results, "Ours"), lambda taken: taken[0]["images"][0].update(positives=[]))
    assert "0 positives" in texts(assignments.draw(plan, "fig4", results))


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
