import gzip
import json

import pytest
from PIL import Image

from triplehead.analysis.tables import read_csv
from triplehead.data.prepare import open_split
from triplehead.errors import InputError
from triplehead.report.detections import (
    COLUMNS,
    FEWEST_OBJECTS,
    chosen_images,
    detections_figure,
    read_detections,
)
from triplehead.report.figures import comparison_figure, learning_curves, save


def frames_of(plan, results):
    return {name: read_csv(results / f"{name}.csv") for name in plan.exhibits}


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_each_figure_is_the_same_bytes_twice(smoke, tmp_path, suffix):
    plan, results = smoke
    for draw in (
        lambda out: comparison_figure(plan, frames_of(plan, results), out),
        lambda out: learning_curves(plan, results / "runs", out),
        lambda out: detections_figure(plan, results, out, labels=("FCOS", "All")),
    ):
        first, second = (draw(tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert first == second and len(first) > 5000


def test_png_has_200_dpi_and_text_width(smoke, tmp_path):
    plan, results = smoke
    with Image.open(learning_curves(plan, results / "runs", tmp_path / "curves.png")) as image:
        assert image.width == 1340  # 6.7 inches


def test_figure_of_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must be \.png or \.svg"):
        save(None, tmp_path / "figure.jpg")


def test_images_are_chosen_by_their_objects_alone(smoke):
    plan, results = smoke
    dataset = open_split(results / "data" / next(iter(plan.data)), "val")
    chosen = chosen_images(dataset)
    rich = [index for index in range(len(dataset)) if len(dataset.entries[index].boxes) >= FEWEST_OBJECTS]
    assert len(chosen) == COLUMNS and chosen[: len(rich[:COLUMNS])] == rich[:COLUMNS]


def test_axes_never_fill_with_ticks(smoke, tmp_path):
    """Equal means with wide bars, as untrained runs have."""
    plan, results = smoke
    frames = frames_of(plan, results)
    for frame in frames.values():
        if frame["metric"].iloc[0] == "AP":
            frame["mean"], frame["std"] = 40.0, 30.0
    wide = comparison_figure(plan, frames, tmp_path / "wide.svg").read_text()
    assert 0 < wide.count('id="xtick_') < 60


def test_unknown_label_and_missing_history_are_named(smoke, tmp_path):
    plan, results = smoke
    with pytest.raises(InputError, match="no run has the label 'Nobody'"):
        detections_figure(plan, results, tmp_path / "a.png", labels=("Nobody",))
    with pytest.raises(InputError, match=r"history\.csv: no such file"):
        learning_curves(plan, tmp_path, tmp_path / "b.svg")


def test_broken_detections_are_named(tmp_path):
    path = tmp_path / "detections.json.gz"
    for content in (b"not gzip", gzip.compress(b"{"), gzip.compress(json.dumps([{"score": 1}]).encode())):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"detections\.json\.gz: expected gzipped COCO results"):
            read_detections(path)
