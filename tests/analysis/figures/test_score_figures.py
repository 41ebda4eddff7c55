"""The figures drawn from scores and histories: what stands where."""

import json
import math

import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from triplehead.analysis.figures import ap_by_size, comparison, heads_by_assigners, learning_curves, overview
from triplehead.analysis.tables import read_csv, table_frame, write_csv
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan


def write_scores(plan, exhibit, results, score):
    for label, specs in ((label, specs) for (name, label), specs in plan.specs.items() if name == exhibit):
        for spec in specs:
            folder = results / "runs" / spec.id
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "scores.json").write_text(json.dumps(score(label, spec)))


def test_ap_by_size_is_mean_and_interval_on_axes_that_begin_at_nothing(tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 3})
    write_scores(plan, "fig_ap_by_size", tmp_path, lambda _, spec: {"APS": 10.0 + spec.seed, "APM": 50.0, "APL": None})
    figure = ap_by_size.draw(plan, "fig_ap_by_size", tmp_path)
    small, _, large = figure.axes
    assert small.containers[0].lines[0].get_xdata().tolist() == [11.0]
    (bar,) = small.containers[0].lines[2][0].get_segments()
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert bar[:, 0].tolist() == pytest.approx([11 - half, 11 + half])
    assert all(axis.get_xlim() == pytest.approx((0, 1.05 * 50)) for axis in figure.axes)
    assert {text.get_text() for text in large.texts} == {"no such objects"}
    labels = [tick.get_text() for tick in small.get_yticklabels()]
    assert labels == [row.label for row in plan.exhibits["table5"].rows]


def test_heat_map_cells_say_score_and_n_and_why_one_is_empty(experiments, tmp_path):
    file = experiments / "fig_heads_by_assigners.yaml"
    lines = file.read_text().splitlines()
    place = next(index for index, line in enumerate(lines) if "label: DyHead + ATSS" in line)
    lines[place] = lines[place][: lines[place].index("spec:")] + "note: they do not fit}"
    file.write_text("\n".join(lines).replace("seeds: 1", "seeds: 2"))
    plan = load_plan({"scale": "smoke", "seeds": 3}, experiments)
    write_scores(plan, "fig_heads_by_assigners", tmp_path, lambda _, spec: {"AP": 40.0 + 2 * spec.seed})
    axis = heads_by_assigners.draw(plan, "fig_heads_by_assigners", tmp_path).axes[0]
    texts = [text.get_text() for text in axis.texts]
    assert texts.count("41.0 ± 1.4") == texts.count("n = 2") == 15
    assert texts.count("they do not fit") == 1
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["FCOS", "BorderDet", "DyHead", "Triple head"]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["Max-IoU", "ATSS", "FCOS", "JLA"]
    said = " ".join(heads_by_assigners.caption(plan, "fig_heads_by_assigners"))
    assert "Hatched" in said and "n: seeds, ±: sample standard deviation." in said


def test_one_seed_is_enough_for_the_heat_map():
    plan = load_plan({"scale": "proxy"})
    assert {len(specs) for (name, _), specs in plan.specs.items() if name == "fig_heads_by_assigners"} == {1}
    said = " ".join(heads_by_assigners.caption(plan, "fig_heads_by_assigners"))
    assert "n: seeds." in said and "±" not in said


def test_a_row_without_a_place_is_named(experiments, tmp_path):
    file = experiments / "fig_heads_by_assigners.yaml"
    file.write_text(file.read_text().replace("ticks: {Head: FCOS, Assigner: JLA}, ", ""))
    plan = load_plan({"scale": "smoke"}, experiments)
    write_scores(plan, "fig_heads_by_assigners", tmp_path, lambda *_: {"AP": 40.0})
    with pytest.raises(InputError, match=r"row 'FCOS \+ JLA': expected the ticks Head and Assigner"):
        heads_by_assigners.draw(plan, "fig_heads_by_assigners", tmp_path)


def test_learning_curves_are_means_and_ranges_over_seeds(tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 2})
    for row in plan.exhibits["fig_learning_curves"].rows:
        for spec in plan.specs["fig_learning_curves", row.label]:
            folder = tmp_path / "runs" / spec.id
            folder.mkdir(parents=True)
            values = {"iteration": [1, 2, 3], "classification": [0.5 + spec.seed] * 3, "box": [0.2] * 3}
            pd.DataFrame(values).to_csv(folder / "history.csv", index=False)
    figure = learning_curves.draw(plan, "fig_learning_curves", tmp_path)
    classification, box = figure.axes
    assert [line.get_label() for line in box.lines] == [row.label for row in plan.exhibits["table5"].rows]
    assert all(line.get_ydata().tolist() == [1.0] * 3 for line in classification.lines)
    band = classification.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.5, 1.5)
    dashes = {(str(line.get_linestyle()), line.get_marker()) for line in classification.lines}
    assert len(dashes) == len(classification.lines)  # without colour


def test_runs_without_losses_to_show_are_refused(tmp_path):
    plan = load_plan({"scale": "smoke"})
    for run in plan.run_ids("fig_learning_curves"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "history.csv").write_text("iteration,loss\n1,0.5\n")
    with pytest.raises(InputError, match="none of its runs has a classification or box loss"):
        learning_curves.draw(plan, "fig_learning_curves", tmp_path)


def test_axes_never_fill_with_ticks(smoke):
    """Equal means with wide bars, as untrained runs have."""
    plan, results = smoke
    tables = [name for name, exhibit in plan.exhibits.items() if exhibit.kind == "scores"]
    frames = {name: read_csv(results / f"{name}.csv") for name in tables}
    for frame in frames.values():
        frame["mean"], frame["std"] = 40.0, 30.0
    figure = comparison.draw(plan, frames)
    for axis in figure.axes:
        low, high = axis.get_xlim()
        assert 0 < sum(low <= tick <= high for tick in axis.get_xticks()) < 12


def test_a_comparison_needs_a_table_of_scores(smoke):
    with pytest.raises(InputError, match="no table has a metric AP"):
        comparison.draw(smoke[0], {})


def test_the_overview_shows_each_row_on_both_sides_with_its_interval(smoke):
    plan, results = smoke
    frame = read_csv(results / "table5.csv")
    rows = frame[frame["metric"] == "AP"]
    left, right = overview.draw(plan, "overview", results).axes
    for axis, column in ((left, "published"), (right, "mean")):
        (dots,) = axis.containers
        assert dots.lines[0].get_xdata().tolist() == rows[column].tolist()
        assert [text.get_text() for text in axis.texts] == [f"{value:.1f}" for value in rows[column]]
        (start,) = (line for line in axis.lines if line.get_linestyle() == ":")
        assert start.get_xdata()[0] == rows.loc[rows["label"] == "Baseline", column].item()
    assert [tick.get_text() for tick in left.get_yticklabels()] == rows["label"].tolist()
    assert "smoke scale: means nothing" in right.get_title(loc="left")
    assert [text.get_text() for text in left.texts if text.get_fontweight() == "bold"] == ["40.3"]
    assert not any(text.get_fontweight() == "bold" for text in right.texts)  # as in the tables
    text = overview.caption(plan, frame)
    assert "smoke scale" in text and "mean nothing" in text and "one seed" in text


def test_the_overviews_bars_are_the_tables_intervals(tmp_path):
    plan = load_plan({"scale": "smoke", "seeds": 3})
    write_scores(plan, "table5", tmp_path, lambda _, spec: dict.fromkeys(("AP", "AP50", "AP75"), 10.0 + spec.seed))
    write_csv(table_frame(plan, "table5", tmp_path / "runs"), tmp_path / "table5.csv")
    _, right = overview.draw(plan, "overview", tmp_path).axes
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    for bar in right.containers[0].lines[2][0].get_segments():
        assert bar[:, 0].tolist() == pytest.approx([11 - half, 11 + half], abs=1e-4)


def test_the_overviews_best_are_those_of_the_table_ties_in_print_included(tmp_path):
    plan = load_plan({"scale": "proxy", "seeds": 1})
    scores = {"JLA": 38.01, "All": 38.04}
    write_scores(
        plan, "table5", tmp_path, lambda label, _: dict.fromkeys(("AP", "AP50", "AP75"), scores.get(label, 30.0))
    )
    write_csv(table_frame(plan, "table5", tmp_path / "runs"), tmp_path / "table5.csv")
    _, right = overview.draw(plan, "overview", tmp_path).axes
    assert [text.get_text() for text in right.texts if text.get_fontweight() == "bold"] == ["38.0", "38.0"]


def test_an_overview_without_its_table_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"table5\.csv: no such table"):
        overview.draw(load_plan({"scale": "smoke"}), "overview", tmp_path)


def test_heat_map_and_tables_round_alike(tmp_path):
    """41.95 less a hair is 41.9500 in a table's CSV, which prints 42.0 (or 41.9, by the float): so must the map."""
    plan = load_plan({"scale": "smoke"})
    score = 41.949999
    write_scores(plan, "fig_heads_by_assigners", tmp_path, lambda *_: {"AP": score})
    axis = heads_by_assigners.draw(plan, "fig_heads_by_assigners", tmp_path).axes[0]
    printed = f"{float(f'{score:.4f}'):.1f}"
    assert printed != f"{score:.1f}" and {text.get_text() for text in axis.texts} == {printed, "n = 1"}


def test_where_one_side_of_the_overview_of_tables_reaches_nothing_all_its_panels_begin_there():
    low, high = (Figure().subplots() for _ in range(2))
    low.plot([0.0, 1.0], [0, 1])
    high.plot([3.0, 4.0], [0, 1])
    comparison._from_nothing([high])
    assert high.get_xlim()[0] > 2
    comparison._from_nothing([low, high])
    assert low.get_xlim()[0] == high.get_xlim()[0] == 0
