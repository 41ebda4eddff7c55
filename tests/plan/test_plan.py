"""The declared study: it resolves at every scale, shares runs, and says what is wrong."""

import json
import subprocess
import sys

import pytest
import yaml

from triplehead.errors import InputError
from triplehead.plan.cost import plan_seconds
from triplehead.plan.plan import Experiments, load_plan, paper_specs
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Exhibit

SCALES = ["smoke", "proxy", "mini", "paper"]


@pytest.mark.parametrize("scale", SCALES)
def test_every_row_resolves_at_every_scale(scale):
    plan = load_plan({"scale": scale})
    for name, exhibit in plan.exhibits.items():
        for row in exhibit.rows:
            if exhibit.kind == "scores" and row.spec is not None:
                assert len(plan.specs[name, row.label]) == plan.scale.seeds
    assert all(run.spec.scale == scale for run in plan.runs.values())


def test_equal_specs_share_one_run():
    plan = load_plan()
    (shared,) = [run for run in plan.runs.values() if ("table5", "JLA") in run.users and run.spec.seed == 0]
    assert shared.users == [("table1", "K = 35"), ("table2", "θ = 0.6"), ("table5", "JLA")]
    assert len(plan.runs) == 14 * plan.scale.seeds + 1  # Faster R-CNN of Table 3, for which one seed will do


def test_id_depends_on_everything_that_is_resolved_and_on_nothing_else():
    base = load_plan({"scale": "smoke"}).specs["table5", "JLA"][0]
    assert load_plan({"scale": "smoke", "tracking_uri": "http://localhost:1"}).run(base.id) == base
    changed = json.loads(base.model_dump_json())
    changed["detector"]["assigner"]["theta"] = 0.61
    other = RunSpec.model_validate_json(json.dumps(changed))
    assert other.id != base.id
    assert RunSpec.model_validate_json(base.model_dump_json()).id == base.id


def test_ids_are_stable_across_processes():
    code = "from triplehead.plan.plan import load_plan; print(*load_plan().runs)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.split() == list(load_plan().runs)


def test_plan_imports_no_torch():
    code = "import sys; from triplehead.plan import plan; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_seeds_from_the_configuration():
    assert len(load_plan({"seeds": 2}).specs["table5", "FCOS"]) == 2


def test_an_exhibit_may_need_fewer_seeds_than_the_scale_has(experiments):
    assert [len(load_plan({"seeds": seeds}).specs["table3", "FCOS"]) for seeds in (1, 2)] == [1, 1]
    change(experiments / "table3.yaml", "seeds", to=2)
    found = [len(load_plan({"seeds": seeds}, experiments).specs["table3", "FCOS"]) for seeds in (1, 2, 3)]
    assert found == [1, 2, 2]


def test_speed_uses_the_runs_of_other_tables_and_its_options_change_no_id(experiments):
    plan = load_plan(folder=experiments)
    assert plan.specs["table3", "Ours"] == plan.specs["table5", "All"][:1]
    change(experiments / "scales" / "proxy.yaml", "speed", to={"images": 3, "threads": 1})
    other = load_plan(folder=experiments)
    assert list(other.runs) == list(plan.runs) and other.scale.speed != plan.scale.speed


def test_paper_k_is_mapped_to_distinct_values_at_the_proxy_scale():
    plan = load_plan()
    rows = [row.label for row in plan.exhibits["table1"].rows]
    in_force = [plan.specs["table1", label][0].detector.assigner.k_in_force for label in rows]
    assert in_force == [5, 6, 7, 8, 9]


def test_the_paper_scale_is_the_papers():
    spec = paper_specs("table4")[2]
    assert (spec.schedule.iterations, spec.schedule.batch_size, spec.schedule.lr) == (90000, 16, 0.01)
    assert spec.schedule.steps == (60000, 80000)
    assert (spec.schedule.warmup, spec.schedule.warmup_iterations) == ("constant", 500)
    assert (spec.schedule.momentum, spec.schedule.weight_decay) == (0.9, 0.0001)
    assert (spec.input.short, spec.input.long) == (800, 1333)
    assert spec.detector.assigner.k_in_force == 35
    assert spec.detector.loss.box == "iou"


def change(file, *path, to):
    """Set one value in a YAML file."""
    document = yaml.safe_load(file.read_text())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    file.write_text(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.parametrize(
    ("file", "path", "value", "message"),
    [
        ("table5.yaml", ("rows", 2, "spec", "assigner"), {"kk": 5}, "table5.yaml: rows.2.spec.assigner.kk: unknown key"),
        ("table5.yaml", ("rows", 2, "spec", "detector"), "jlaa", "table5.yaml: rows.2.spec.detector: no 'jlaa'"),
        ("table5.yaml", ("rows", 2, "spec", "schedule"), "9x", "table5.yaml: rows.2.spec.schedule: no '9x'"),
        ("table5.yaml", ("rows", 2, "published", "AP60"), 1.0, "AP60 is not among metrics"),
        ("table5.yaml", ("rows", 2, "published", "AP"), "38", "table5.yaml: rows.2.published.AP"),
        ("table5.yaml", ("rows", 2, "label"), "FCOS", "'FCOS' is used twice"),
        ("table5.yaml", ("rows", 2, "ticks", "JAL"), True, "JAL is not among columns"),
        ("detectors/jla.yaml", ("assigner", "theta"), 2, "jla.yaml: assigner.theta: input should be less than or equal"),
        ("detectors/jla.yaml", ("assigner", "name"), "jal", "jla.yaml: assigner.name: found 'jal', allowed: 'fcos', 'jla'"),
        ("detectors/jla.yaml", ("assigner", "joint_box"), "both", "'coarse' or 'final'"),
        ("scales/proxy.yaml", ("heads", "fcos", "norm"), "layer", "proxy.yaml: heads.fcos.norm: input should be 'group'"),
        ("scales/proxy.yaml", ("schedules", "1x", "steps"), [700], "proxy.yaml: schedules.1x: steps must lie below"),
        ("scales/proxy.yaml", ("datasets", "coco", "image_size"), 100, "proxy.yaml: datasets.coco.image_size"),
        ("scales/proxy.yaml", ("heads", "tripel"), {"num_convs": 2}, "proxy.yaml: heads.tripel: input should be 'fcos' or"),
        ("scales/proxy.yaml", ("heads", "triple", "nrom"), "batch", "proxy.yaml: heads.triple.nrom: unknown key; did you"),
        ("scales/proxy.yaml", ("assigners", "jla", "k_share"), 2, "proxy.yaml: assigners.jla.k_share: input should be"),
        ("scales/proxy.yaml", ("assigners", "fcos", "boundaries"), [64], "assigner.boundaries: the tiny backbone has 3"),
        ("scales/proxy.yaml", ("cost", "image"), {}, "proxy.yaml: cost.image"),
        ("table5.yaml", ("rows", 2, "spec", "assigner"), {"name": ["jla"]}, "table5.yaml: rows.2.spec.assigner.name"),
        ("table5.yaml", ("rows", 2, "published", "AP"), float("nan"), "table5.yaml: rows.2.published.AP: input should"),
        ("scales/proxy.yaml", ("speed", "repeats"), 2, "proxy.yaml: speed.repeats: input should be greater than or equal to 5"),
        ("scales/proxy.yaml", ("second_stage", "rois"), 0, "proxy.yaml: second_stage.rois: input should be greater than 0"),
        ("table3.yaml", ("seeds",), 0, "table3.yaml: seeds: input should be greater than 0"),
        ("table3.yaml", ("rows", 0, "label"), "fcos", "table3.yaml: rows: kind speed needs a row FCOS with a spec"),
        ("table3.yaml", ("rows", 1, "spec", "dataset"), "voc", "table3.yaml: rows: speed is compared on the same images"),
        ("config.yaml", ("scale",), "huge", "config.yaml: scale: no scale 'huge'; allowed: mini, paper, proxy, smoke"),
        ("config.yaml", ("seeds",), 0, "config.yaml: seeds: input should be greater than 0"),
    ],
)  # fmt: skip
def test_mistakes_name_file_path_and_what_is_allowed(experiments, file, path, value, message):
    change(experiments / file, *path, to=value)
    with pytest.raises(InputError) as caught:
        load_plan(folder=experiments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_configuration_key():
    with pytest.raises(InputError, match="--config: sede: unknown key; did you mean seeds"):
        load_plan({"sede": 1})


def test_the_schema_holds_the_other_exhibits():
    """Tables 3 and 6-9 and the figures, which later become files, fit without a change."""
    row = {"label": "FCOS", "spec": {"detector": "fcos"}}
    for document in (
        {"kind": "speed", "title": "Inference speed", "section": "4.3.3", "metrics": ["FPS"], "transposed": True,
         "rows": [row | {"published": {"FPS": 12.6}}]},
        {"kind": "scores", "title": "Pascal VOC", "section": "4.4", "metrics": ["AP", "AP50"], "protocol": "voc",
         "rows": [{"label": "FCOS", "spec": {"detector": "fcos", "dataset": "voc"}, "published": {"AP": 53.0}}]},
        {"kind": "scores", "title": "Comparison", "section": "4.6", "columns": ["backbone"], "metrics": ["AP", "APS"],
         "rows": [{"label": "SAPD", "group": "Dynamic", "ticks": {"backbone": "ResNet101"}, "published": {"AP": 43.5}},
                  {"label": "Ours", "spec": {"detector": "triple_head", "backbone": "resnet101", "schedule": "2x"},
                   "published": {"AP": 45.0, "APS": 30.3}}]},
        {"kind": "figure", "title": "IoU quantiles", "section": "4.4", "rows": [row]},
    ):  # fmt: skip
        Exhibit.model_validate_json(json.dumps(document))


def test_published_numbers_are_the_papers():
    """Transcribed a second time, by hand, from the paper's Tables 1, 2, 3 and 5."""
    exhibits = Experiments().exhibits
    assert [tuple(row.published.values()) for row in exhibits["table1"].rows] == [
        (37.9, 57.9, 40.3), (37.9, 58.2, 40.3), (38.0, 58.2, 40.5), (37.8, 57.6, 40.1), (37.9, 57.8, 40.7),
    ]  # fmt: skip
    assert [tuple(row.published.values()) for row in exhibits["table2"].rows] == [
        (37.5, 57.6, 40.2), (38.0, 57.8, 40.6), (38.0, 57.7, 40.6), (38.0, 57.8, 40.6),
    ]  # fmt: skip
    assert [(row.label, row.published) for row in exhibits["table3"].rows] == [
        ("FCOS", {"FPS": 12.6}), ("Faster R-CNN", {"FPS": 6.4}), ("Ours", {"FPS": 10.1}),
    ]  # fmt: skip
    assert [tuple(row.published.values()) for row in exhibits["table5"].rows] == [
        (37.0,), (33.5, 52.8, 35.5), (38.0, 58.2, 40.5), (38.9, 57.8, 41.7), (39.6, 58.0, 42.3), (39.6, 57.7, 42.8),
        (40.3, 57.8, 43.3),
    ]  # fmt: skip


def test_cost_grows_with_the_seeds():
    one, two = (plan_seconds(load_plan({"seeds": seeds})) for seeds in (1, 2))
    assert 0 < one < two
