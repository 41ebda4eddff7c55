"""The user's own folder: its classes resolve, its rows share the paper's runs, and what is wrong is one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from triplehead.errors import InputError
from triplehead.plan.claims import Difference
from triplehead.plan.options import OwnAssigner
from triplehead.plan.own_code import find, made_of
from triplehead.plan.plan import load_plan, paper_specs
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Drawing

CLASS = '''
from pydantic import PositiveInt
from triplehead.plan.options import Options

class MineOptions(Options):
    k: PositiveInt = 9
    weights: tuple[float, ...] = (1.0, 2.0)

class Mine:
    Options = MineOptions

    def __init__(self, options):
        self.options = options

    def __call__(self, predictions, points, targets, progress):
        """Never called here."""
'''
TABLE = """
kind: scores
title: Mine
metrics: [AP]
rows:
  - {same_as: [table5, JLA]}
  - {label: Mine, spec: {detector: baseline, assigner: {class: mine.Mine, options: {k: 5}}}}
"""
CLAIM = """
claims:
  - {id: mine-wins, title: Mine wins, quantity: {kind: difference, of: [mine, Mine], minus: [table5, JLA]}}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "my experiments"
    folder.mkdir()
    (folder / "mine.py").write_text(CLASS)
    (folder / "mine.yaml").write_text(TABLE)
    return folder


def plan_of(folder: Path, **config):
    return load_plan({"scale": "smoke", "extra": str(folder)} | config)


def problem(folder: Path, **config) -> str:
    with pytest.raises(InputError) as error:
        plan_of(folder, **config)
    text = str(error.value)
    assert "\n" not in text
    return text.replace(f"{folder}/", "")


def test_a_row_that_is_only_cited_may_be_taken_from_a_figure(folder, experiments):
    """Whose rows are another exhibit's."""
    figure = experiments / "fig_ap_by_size.yaml"
    figure.write_text(figure.read_text().replace("rows_of: table5", "rows_of: table9"))
    row = next(row.label for row in load_plan({"scale": "smoke"}, experiments).exhibits["table9"].rows if not row.spec)
    table = TABLE.replace("[table5, JLA]", f"[fig_ap_by_size, '{row}']")
    (folder / "mine.yaml").write_text(table)
    plan = load_plan({"scale": "smoke", "extra": str(folder)}, experiments)
    assert plan.exhibits["mine"].rows[0].label == row and plan.exhibits["mine"].rows[0].spec is None


def test_the_papers_plan_is_what_it_was_and_its_runs_are_shared(folder):
    paper, plan = load_plan({"scale": "smoke"}), plan_of(folder)
    assert {name: exhibit for name, exhibit in plan.exhibits.items() if name in paper.exhibits} == paper.exhibits
    assert list(plan.exhibits)[-1] == "mine" and plan.own == {"mine"}
    assert list(plan.runs)[:-1] == list(paper.runs)
    assert plan.specs["mine", "JLA"] == paper.specs["table5", "JLA"]
    assert plan.exhibits["mine"].rows[0].published == {"AP": 38.0}
    assert ("mine", "JLA") in plan.runs[plan.specs["table5", "JLA"][0].id].users


def test_a_class_becomes_its_options_and_the_digest_of_its_source(folder):
    plan = plan_of(folder, seeds=2)
    first, second = plan.specs["mine", "Mine"]
    part = first.detector.assigner
    assert isinstance(part, OwnAssigner) and part.path == "mine.Mine"
    assert part.options == {"k": 5, "weights": [1.0, 2.0]}  # defaults written out
    assert first.short_name == "fcos-Mine" and first.id.startswith("smoke-coco-fcos-Mine-s0-")
    assert (first.seed, second.seed) == (0, 1) and first.group == second.group
    again = RunSpec.model_validate_json(first.model_dump_json())
    assert again == first and again.id == first.id and hash(again) == hash(first)
    kind, options = made_of(part)
    assert kind.__name__ == "Mine" and options.k == 5 and options.weights == (1.0, 2.0)
    # All but the assigner is what the detector's file and the scale say.
    base, mine = (plan.specs["mine" if name == "Mine" else "table5", name][0].detector for name in ("Baseline", "Mine"))
    assert mine.model_copy(update={"assigner": base.assigner}) == base


def test_an_edited_source_is_another_run_and_the_old_class_stays(folder):
    before = plan_of(folder).specs["mine", "Mine"][0]
    assert plan_of(folder).specs["mine", "Mine"][0].id == before.id
    old, _ = find(folder, "mine.Mine", "assigner")
    (folder / "mine.py").write_text(CLASS.replace("k: PositiveInt = 9", "k: PositiveInt = 8"))
    after = plan_of(folder).specs["mine", "Mine"][0]
    assert after.id != before.id and after.group != before.group
    assert made_of(after.detector.assigner)[0].Options().k == 8
    assert made_of(before.detector.assigner)[0] is old and old.Options().k == 9


@pytest.mark.parametrize("line", ["from .near import SIDE", "from . import near", "from .deep.near import SIDE"])
def test_a_neighbour_that_is_imported_counts_and_others_do_not(folder, line):
    (folder / "deep").mkdir()
    for file in (folder / "near.py", folder / "deep" / "near.py"):
        file.write_text("SIDE = 1\n")
    (folder / "mine.py").write_text(f"{line}\n{CLASS}")
    digest = find(folder, "mine.Mine", "assigner")[1]
    (folder / "unrelated.py").write_text("x = 1\n")
    assert find(folder, "mine.Mine", "assigner")[1] == digest
    for file in (folder / "near.py", folder / "deep" / "near.py"):
        file.write_text("SIDE = 2\n")
    assert find(folder, "mine.Mine", "assigner")[1] != digest


def test_the_digest_does_not_depend_on_where_the_folder_lies(folder, tmp_path):
    here = find(folder, "mine.Mine", "assigner")[1]
    moved = folder.rename(tmp_path / "elsewhere")
    assert find(moved, "mine.Mine", "assigner")[1] == here


def test_an_import_leaves_sys_path_stdout_and_the_folder_alone(folder, capsys):
    (folder / "random.py").write_text("print('loud')\n" + CLASS)
    path = list(sys.path)
    find(folder, "random.Mine", "assigner")
    assert sys.path == path and "Mine" not in vars(sys.modules["random"])
    assert capsys.readouterr().out == ""
    assert not (folder / "__pycache__").exists()


def test_a_scale_may_change_options(folder):
    text = TABLE.replace("options: {k: 5}", "options: {k: 5}, scales: {proxy: {k: 3}}")
    (folder / "mine.yaml").write_text(text)
    found = {scale: plan_of(folder, scale=scale).specs["mine", "Mine"][0] for scale in ("smoke", "proxy")}
    assert {scale: spec.detector.assigner.options["k"] for scale, spec in found.items()} == {"smoke": 5, "proxy": 3}


def test_beside_a_table_its_rows_come_first_with_what_they_print(folder):
    (folder / "mine.yaml").write_text(
        "beside: table5\nrows: [{label: Mine, spec: {detector: baseline, assigner: {class: mine.Mine}}}]\n"
    )
    plan = plan_of(folder)
    table, paper = plan.exhibits["mine"], plan.exhibits["table5"]
    assert [row.label for row in table.rows] == [*(row.label for row in paper.rows), "Mine"]
    assert [row.published for row in table.rows] == [*(row.published for row in paper.rows), {}]
    assert {row.group for row in table.rows} == {"The paper's Table 5", "Yours"}
    assert all(plan.specs["mine", row.label] == plan.specs["table5", row.label] for row in paper.rows)
    assert not table.columns and table.metrics == paper.metrics and table.section is None


def test_a_figure_is_drawn_as_another_with_rows_of_a_table_of_the_folder(folder):
    from triplehead.analysis.figures import FIGURES, figures, inputs

    (folder / "a_figure.yaml").write_text(
        "{kind: figure, drawn_as: fig5, title: Mine, rows: [{same_as: [mine, Mine]}, {same_as: [fig5, ATSS]}]}\n"
    )
    plan = plan_of(folder)
    assert figures(plan)[-1] == "a_figure" and plan.own == {"mine", "a_figure"}
    run = plan.specs["mine", "Mine"][0].id
    assert f"runs/{run}/detections.json.gz" in inputs(plan, "a_figure")
    assert set(get_args(Drawing)) == set(FIGURES)


@pytest.mark.parametrize("command", ["plan", "status", "claims"])
def test_a_drawing_that_is_not_there_is_a_mistake_of_the_plan(folder, command):
    (folder / "a_figure.yaml").write_text(
        "{kind: figure, drawn_as: fig44, title: Mine, rows: [{same_as: [mine, Mine]}]}\n"
    )
    arguments = [sys.executable, "-m", "triplehead", command, "-c", "scale=smoke", "--extra", str(folder)]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout) == (2, "")
    problem = "drawn_as: input should be 'fig4', 'fig5', 'fig6', 'fig_learning_curves', 'fig_ap_by_size' or"
    assert result.stderr.startswith(f"error: {folder / 'a_figure.yaml'}: {problem}")
    assert result.stderr.endswith("found 'fig44'\n") and result.stderr.count("\n") == 1


def test_claims_of_the_folder_come_after_the_papers(folder):
    (folder / "claims.yaml").write_text(CLAIM)
    (folder / "claims_more.yaml").write_text("seeds: 5\n" + CLAIM.lstrip().replace("mine-wins", "mine-wins-again"))
    paper, plan = load_plan({"scale": "smoke"}), plan_of(folder)
    assert plan.claims.claims[: len(paper.claims.claims)] == paper.claims.claims
    first, second = plan.claims.claims[len(paper.claims.claims) :]
    assert isinstance(first.quantity, Difference) and first.section == "yours" and first.sentence == "Mine wins"
    assert (plan.claims.seeds_of(first), plan.claims.seeds_of(second)) == (3, 5)
    assert plan.own == {"mine", "mine-wins", "mine-wins-again"}


def test_parameters_of_the_folders_rows_are_those_of_the_paper_scale(folder):
    specs = paper_specs("mine", extra=str(folder))
    assert [spec.scale for spec in specs] == ["paper", "paper"]
    assert specs[1].detector.assigner.path == "mine.Mine" and specs[1].detector.backbone.name == "resnet"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("mine.yaml", "mine.Mine", "mien.Mine", "mine.yaml: rows.1.spec.assigner.class: no module 'mien' in "),
        ("mine.yaml", "mine.Mine", "mine.Mein", "mine.yaml: rows.1.spec.assigner.class: no class 'Mein' in mine.py; it has: Mine"),
        ("mine.yaml", "mine.Mine", "Mine", "mine.yaml: rows.1.spec.assigner.class: string should match pattern"),
        ("mine.yaml", "k: 5", "k: -5", "mine.yaml: rows.1.spec.assigner.options.k: input should be greater than 0, found -5"),
        ("mine.yaml", "k: 5", "kk: 5", "mine.yaml: rows.1.spec.assigner.options.kk: unknown key; did you mean k? allowed: k, weights"),
        ("mine.yaml", "options: {k: 5}", "option: {k: 5}", "mine.yaml: rows.1.spec.assigner.option: unknown key; allowed: class, options, scales"),
        ("mine.yaml", "options: {k: 5}", "scales: {smok: {k: 5}}", "mine.yaml: rows.1.spec.assigner.scales: no scale 'smok'; allowed: mini, paper"),
        ("mine.yaml", "options: {k: 5}", "scales: {smoke: {k: x}}", "mine.yaml: rows.1.spec.assigner.scales.smoke.k: input should be a valid integer"),
        ("mine.yaml", "assigner: {class", "head: {class", "mine.yaml: rows.1.spec.head.class: Mine is no torch.nn.Module, as a head must be"),
        ("mine.yaml", "class: mine.Mine, options: {k: 5}", "name: own", "mine.yaml: rows.1.spec.assigner.name: a class of your own is named by"),
        ("mine.yaml", "detector: baseline", "detector: basline", "mine.yaml: rows.1.spec.detector: no 'basline' at scale smoke"),
        ("mine.yaml", "detector: baseline", "detector: faster_rcnn", "mine.yaml: rows.1.spec.assigner: unknown key of architecture faster_rcnn"),
        ("mine.yaml", "[table5, JLA]", "[table5, JAL]", "mine.yaml: rows.0.same_as: no row 'JAL' in table5; allowed: FCOS"),
        ("mine.yaml", "[table5, JLA]", "JLA", "mine.yaml: rows.0.same_as: expected [exhibit, label], found 'JLA'"),
        ("mine.yaml", "label: Mine", "label: JLA", "mine.yaml: rows.1.label: 'JLA' is used twice"),
        ("mine.yaml", "label: Mine", "label: Mine, published: {AP: 99}", "mine.yaml: rows.1.published: is what the paper prints"),
        ("mine.yaml", "title: Mine", "title: Mine\nsection: '4.4'", "mine.yaml: section: is a place in the paper"),
        ("mine.yaml", "[AP]", "[FPS]", "mine.yaml: metrics: FPS is not a metric of kind scores"),
        ("mine.py", "Options = MineOptions", "", "mine.yaml: rows.1.spec.assigner.class: Mine has no Options"),
        ("mine.py", "def __call__", "def call", "mine.yaml: rows.1.spec.assigner.class: Mine has no __call__(predictions, points, targets, progress)"),
        ("mine.py", "targets, progress", "targets", "mine.yaml: rows.1.spec.assigner.class: Mine's __call__ does not take (predictions, points, targets, progress)"),
        ("mine.py", "def __init__(self, options)", "def __init__(self)", "Mine's constructor does not take (options)"),
        ("mine.py", "class Mine:", "class Mine(:", "mine.yaml: rows.1.spec.assigner.class: mine.py, line 9: is no Python"),
        ("mine.py", "class Mine:", "import no_such_thing\nclass Mine:", "mine.py, line 9: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("mine.py", "class Mine:", "import sibling\nclass Mine:", "a neighbour is imported by `from . import sibling`"),
        ("mine.py", "class Mine:", "raise SystemExit(3)\nclass Mine:", "mine.py, line 9: SystemExit: 3"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_and_place(folder, file, old, new, message):
    (folder / "sibling.py").write_text("")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    assert message in problem(folder)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (CLAIM.replace("[mine, Mine]", "[mine, Mein]"), "claims.yaml: claims.0.quantity: no row 'Mein' in mine; allowed: JLA, Mine"),
        (CLAIM.replace("mine-wins", "jla-gain"), "claims.yaml: claims.0.id: 'jla-gain' is taken"),
        (CLAIM.replace("title: Mine wins, ", ""), "claims.yaml: claims.0.title: required, but missing"),
        ("claims: 3\n", "claims.yaml: claims: input should be a valid"),
    ],
)  # fmt: skip
def test_a_wrong_claim_is_one_line(folder, claims, message):
    if "jla-gain" in claims:
        taken = load_plan({"scale": "smoke"}).claims.claims[0].id
        claims, message = claims.replace("jla-gain", taken), message.replace("jla-gain", taken)
    (folder / "claims.yaml").write_text(claims)
    assert message in problem(folder)


def test_names_that_are_taken_and_folders_that_are_not_there(folder, tmp_path):
    assert "nowhere: no such folder, expected that of your experiments" in problem(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "empty: holds no table (*.yaml)" in problem(empty)
    for name in ("table5", "silence", "fig4"):
        file = (folder / "mine.yaml").rename(folder / f"{name}.yaml")
        assert f"{name}.yaml: '{name}' is taken" in problem(folder)
        file.rename(folder / "mine.yaml")
    (folder / "mine.yaml").rename(folder / "Mine-1.yaml")
    assert "'Mine-1.yaml' is no name of a table" in problem(folder)


def test_the_papers_tables_cannot_name_a_class(folder, experiments):
    file = experiments / "table5.yaml"
    file.write_text(
        file.read_text().replace("spec: {detector: jla}", "spec: {detector: jla, assigner: {class: mine.Mine}}")
    )
    with pytest.raises(InputError, match=r"table5.yaml: rows.2.spec.assigner.class: only tables of your own folder"):
        load_plan({"scale": "smoke", "extra": str(folder)}, experiments)


def test_a_spec_of_a_class_that_is_not_loaded_says_so():
    spec = OwnAssigner(path="mine.Mine", options={}, source="0000000000")
    assert json.loads(spec.model_dump_json())["name"] == "own"
    with pytest.raises(InputError, match=r"mine.Mine: is a class of your own that is not loaded"):
        made_of(spec)
