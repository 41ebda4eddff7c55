import re

import pandas as pd
import pytest

from triplehead.analysis.latex import escape, table_tex
from triplehead.analysis.layout import table_layout
from triplehead.analysis.tables import COLUMNS
from triplehead.plan.plan import load_plan


def frame_of(plan, exhibit, mean=40.0, std=0.5, n=3, half=None, **more):
    """A table whose measured numbers are `mean` plus the row's index, with an interval of `half` either way."""
    table = plan.exhibits[exhibit]
    records = [
        {"exhibit": exhibit, "row": index, "label": row.label, "metric": metric, "mean": mean + index, "std": std}
        | {"n": n, "published": row.published.get(metric), "difference": 0.0, "scale": "here", "split": "val"}
        | {
            "low": half and mean + index - half,
            "high": half and mean + index + half,
            "seed_se": half,
            "status": "",
            "diverged": "",
        }
        | more
        for index, row in enumerate(table.rows)
        for metric in table.metrics
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))


def body_rows(tex):
    inside = re.search(r"\\begin\{tabular\}\{(.*?)\}\n(.*?)\\end\{tabular\}", tex, re.DOTALL)
    lines = [line.removesuffix(r" \\") for line in inside[2].splitlines() if line.endswith(r" \\")]
    return len(inside[1]), lines


def width(line):
    spans = [int(number) for number in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.split(r"(?<!\\)&", line)) + sum(spans) - len(spans)


@pytest.mark.parametrize("scale", ["smoke", "proxy", "paper"])
@pytest.mark.parametrize("exhibit", [f"table{number}" for number in (1, 2, 4, 5, 6, 7, 8, 9)])
def test_environments_balance_and_every_row_fills_the_columns(scale, exhibit):
    plan = load_plan({"scale": scale})
    tex = table_tex(plan, exhibit, frame_of(plan, exhibit))
    assert re.findall(r"\\begin\{(\w+)\}", tex) == re.findall(r"\\end\{(\w+)\}", tex)[::-1] == ["table", "tabular"]
    assert tex.count("{") - tex.count(r"\{") == tex.count("}") - tex.count(r"\}")
    columns, lines = body_rows(tex)
    assert {width(line) for line in lines} == {columns}
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert tex.count(rule) == 1
    assert tex.isascii()


def test_table_5_has_the_papers_ticks_and_both_numbers():
    plan = load_plan({"scale": "proxy"})
    tex = table_tex(plan, "table5", frame_of(plan, "table5"))
    _, lines = body_rows(tex)
    assert lines[1].count("paper") == lines[1].count("measured") == 3
    assert [line.count(r"\checkmark") for line in lines[2:]] == [0, 1, 2, 3, 5, 4, 5]
    assert lines[2].startswith("FCOS$^{a}$ & ") and "37.0 & 40.0 $\\pm$ 0.5" in lines[2]
    assert lines[-1].count(r"\textbf{40.3} & \textbf{46.0} $\pm$ 0.5") == 1
    assert "over 3 seeds" in tex and "proxy scale" in tex and "not COCO 2017" in tex


def test_table_4_is_transposed_as_in_the_paper():
    plan = load_plan({"scale": "smoke"})
    frame = frame_of(plan, "table4").astype({"mean": "Int64", "std": "Float64", "published": "Int64"})
    frame["mean"], frame["std"] = frame["published"], pd.NA
    _, lines = body_rows(table_tex(plan, "table4", frame))
    assert lines == [
        "Model &  & FCOS & Faster R-CNN & Ours",
        "Parameters & paper & 32,244,250 & 41,704,036 & 34,614,307",
        " & measured & 32,244,250 & 41,704,036 & 34,614,307",
    ]


def test_intervals_stand_below_the_measured_numbers():
    plan = load_plan({"scale": "proxy"})
    frame = frame_of(plan, "table5", half=1.24, image_se=0.3)
    tex = table_tex(plan, "table5", frame)
    columns, lines = body_rows(tex)
    assert len(lines) == 2 + 2 * len(plan.exhibits["table5"].rows)
    assert lines[3].count(r"\multicolumn{2}{r}{\scriptsize [38.8, 41.2]}") == 3
    assert {width(line) for line in lines} == {columns}
    assert r"In brackets: the mean's 95\% interval over other seeds and other validation images." in tex
    alone = " ".join(table_layout(plan, "table5", frame_of(plan, "table5", half=1.0)).definitions)
    assert "over other seeds, the validation images being given" in alone
    single = frame_of(plan, "table5", half=1.0, std=None, n=1, image_se=1.0).assign(seed_se=None)
    assert "other seeds are not in it" in " ".join(table_layout(plan, "table5", single).definitions)


def test_a_band_is_shown_with_its_verdict():
    plan = load_plan({"scale": "proxy"})
    frame = frame_of(plan, "table5", half=1.24)
    cell = (frame["label"] == "All") & (frame["metric"] == "AP")
    frame.loc[cell, ["reference", "tolerance", "status"]] = [44.0, 1.5, "outside"]
    tex = table_tex(plan, "table5", frame)
    assert tex.count("[44.8, 47.2] outside") == 1 and r"44.00 $\pm$ 1.5 (All, AP)" in tex


def test_k_in_force_is_shown_only_where_it_is_not_the_papers():
    for scale, expected in (("proxy", ("K", "K in force")), ("paper", ("K",))):
        plan = load_plan({"scale": scale})
        layout = table_layout(plan, "table1", frame_of(plan, "table1"))
        assert layout.left == expected
        if scale == "proxy":
            assert [line.left for line in layout.lines] == [(25, 5), (30, 6), (35, 7), (40, 8), (45, 9)]


def test_what_is_reduced_is_what_is_run():
    """Of Table 9 none but the own rows is run: no rival is reduced."""
    plan = load_plan({"scale": "proxy"})
    notes = {name: " ".join(text for _, text in table_layout(plan, name, frame_of(plan, name)).notes)
             for name in ("table8", "table9")}  # fmt: skip
    assert "All detectors, rivals included, are reduced" in notes["table8"]
    assert "The detectors that are run (Ours, ResNet50; Ours, ResNet101) are reduced" in notes["table9"]
    assert "rivals" not in notes["table9"]


def test_meaningless_scales_say_so_and_rank_nothing():
    plan = load_plan({"scale": "smoke"})
    layout = table_layout(plan, "table5", frame_of(plan, "table5", std=None, n=1))
    caption = " ".join([*layout.caption, *layout.definitions])
    assert "mean nothing" in caption and "one seed, hence no standard deviation" in caption
    cells = [cell for line in layout.lines for cell in line.cells]
    assert not any(cell.best_measured for cell in cells) and any(cell.best_published for cell in cells)


def test_escape():
    assert escape("50% of a_b & {x} $1 #2 ~^ \\") == (
        r"50\% of a\_b \& \{x\} \$1 \#2 \textasciitilde{}\textasciicircum{} \textbackslash{}"
    )
    assert escape("θ = 0.6 ± 1") == r"$\theta$ = 0.6 $\pm$ 1"
