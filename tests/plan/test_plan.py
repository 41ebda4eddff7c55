"""The declared study: it resolves at every scale, shares runs, and says what is wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from triplehead.errors import InputError
from triplehead.plan.experiments import Experiments
from triplehead.plan.plan import load_plan, paper_specs
from triplehead.plan.resolve import Resolver
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
    assert shared.users[:3] == [("table1", "K = 35"), ("table2", "θ = 0.6"), ("table5", "JLA")]
    asked = [spec.model_dump_json() for specs in plan.specs.values() for spec in specs]
    assert len(plan.runs) == len(set(asked)) < len(asked)


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
    specs = load_plan({"scale": "paper"}).specs
    assert all(one.schedule.group_by_aspect for seeds in specs.values() for one in seeds)
    longer = specs["table9", "Ours, ResNet101"][0].schedule
    assert (longer.iterations, longer.short_range) == (180_000, (640, 800)) and spec.schedule.short_range is None


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
        ("table5.yaml", ("metrics",), ["AP", "AP_11point"], "metrics: AP_11point is not a metric of kind scores"),
        ("table5.yaml", ("average",), "11point", "average: found '11point', allowed for protocol coco: none"),
        ("table5.yaml", ("protocol",), "voc", "rows.0.spec.dataset: coco, but the protocol is voc"),
        ("table9.yaml", ("protocol",), "voc", "APL is not a metric"),
        ("table5.yaml", ("rows", 2, "label"), "FCOS", "'FCOS' is used twice"),
        ("table5.yaml", ("rows", 2, "label"), " ", "table5.yaml: rows.2.label: string should have at least 1 character"),
        ("table5.yaml", ("rows", 2, "spec"), None, "table5.yaml: rows.2.spec: expected what is trained; leave the key out"),
        ("table5.yaml", ("metrics",), ["AP", "AP50", "AP"], "table5.yaml: metrics: 'AP' is used twice"),
        ("table5.yaml", ("columns",), ["JLA", "JLA"], "table5.yaml: columns: 'JLA' is used twice"),
        ("table5.yaml", ("rows", 2, "ticks", "JAL"), True, "JAL is not among columns"),
        ("detectors/jla.yaml", ("assigner", "theta"), 2, "jla.yaml: assigner.theta: input should be less than or equal"),
        ("detectors/jla.yaml", ("assigner", "name"), "jal", "jla.yaml: assigner.name: found 'jal', allowed: 'fcos', 'jla'"),
        ("detectors/jla.yaml", ("assigner", "joint_box"), "both", "'coarse' or 'final'"),
        ("scales/proxy.yaml", ("heads", "fcos", "norm"), "layer", "proxy.yaml: heads.fcos.norm: input should be 'group'"),
        ("scales/proxy.yaml", ("schedules", "1x", "steps"), [700], "proxy.yaml: schedules.1x: steps must lie below"),
        ("scales/proxy.yaml", ("datasets", "coco", "image_size"), 100, "proxy.yaml: datasets.coco.image_size"),
        ("scales/proxy.yaml", ("datasets", "voc", "kind"), "coco", "proxy.yaml: datasets.voc.kind: found 'coco', expected 'voc'"),
        ("scales/paper.yaml", ("datasets", "voc", "layout"), "coco", "paper.yaml: datasets.voc.layout: found 'coco', expected"),
        ("scales/proxy.yaml", ("datasets", "voc", "difficult"), "no", "proxy.yaml: datasets.voc.difficult: input should be"),
        ("scales/proxy.yaml", ("dataset_settings", "vdrone"), {}, "proxy.yaml: dataset_settings.vdrone: input should be 'coco'"),
        ("scales/proxy.yaml", ("dataset_settings", "voc"), {"inptu": {}}, "voc.inptu: unknown key; did you mean input?"),
        ("scales/proxy.yaml", ("dataset_settings", "voc"), {"input": {"shrot": 9}}, "dataset_settings.voc.input.shrot: unknown"),
        ("scales/proxy.yaml", ("dataset_settings", "voc"), {"input": {"long": 9}}, "dataset_settings.voc.input: long must be"),
        ("scales/proxy.yaml", ("dataset_settings", "visdrone", "postprocess", "max_detections"), 0, "postprocess.max_detections"),
        ("scales/proxy.yaml", ("heads", "tripel"), {"num_convs": 2}, "proxy.yaml: heads.tripel: input should be 'fcos',"),
        ("scales/proxy.yaml", ("heads", "triple", "nrom"), "batch", "proxy.yaml: heads.triple.nrom: unknown key; did you"),
        ("scales/proxy.yaml", ("assigners", "jla", "k_share"), 2, "proxy.yaml: assigners.jla.k_share: input should be"),
        ("scales/proxy.yaml", ("assigners", "fcos", "boundaries"), [64], "proxy.yaml: assigners.fcos.boundaries: the tiny backbone has 3"),
        ("scales/proxy.yaml", ("assigners", "fcos", "boundaries"), [16, 32, 64], "proxy.yaml: assigners.fcos.boundaries: the tiny backbone has 3 levels, expected 2"),
        ("detectors/fcos.yaml", ("assigner", "boundaries"), [16, 32, 64], "detectors/fcos.yaml: assigner.boundaries: the tiny backbone has 3 levels"),
        ("table8.yaml", ("rows", 0, "spec", "assigner"), {"boundaries": [16]}, "table8.yaml: rows.0.spec.assigner.boundaries: the tiny backbone has 3 levels"),
        ("detectors/atss.yaml", ("assigner", "anchor_scale"), 4.0, "detectors/atss.yaml: assigner.anchor_scale: head.box_coder 'delta' starts"),
        ("table6.yaml", ("rows", 2, "spec", "head"), {"anchor_scale": 4.0}, "table6.yaml: rows.2.spec: assigner.anchor_scale: head.box_coder 'delta' starts from"),
        ("detectors/atss.yaml", ("assigner",), {"name": "max_iou", "low_quality": "all", "anchor_scale": 8.0}, "detectors/atss.yaml: assigner.low_quality 'all' matches"),
        ("detectors/fcos.yaml", ("assigner",), {}, "detectors/fcos.yaml: assigner: required, but missing"),
        ("detectors/fcos.yaml", ("head",), {}, "detectors/fcos.yaml: head: required, but missing"),
        ("detectors/retinanet.yaml", ("loss",), {"box": "giou"}, "detectors/retinanet.yaml: loss: unknown key of architecture retinanet; allowed: postprocess"),
        ("detectors/retinanet.yaml", ("postprocess",), {"pre_nms": 0}, "detectors/retinanet.yaml: postprocess.pre_nms: input should be greater than 0"),
        ("table3.yaml", ("rows", 1, "spec", "head"), {"name": "fcos"}, "table3.yaml: rows.1.spec.head: unknown key of architecture faster_rcnn; allowed: postprocess"),
        ("scales/proxy.yaml", ("dataset_settings", "voc"), {"input": {"short": 900}}, "proxy.yaml: dataset_settings.voc.input: long must be at least short"),
        ("scales/proxy.yaml", ("cost", "image"), {}, "proxy.yaml: cost: expected either kinds, or image"),
        ("table5.yaml", ("rows", 2, "spec", "assigner"), {"name": ["jla"]}, "table5.yaml: rows.2.spec.assigner.name"),
        ("table5.yaml", ("rows", 2, "published", "AP"), float("nan"), "table5.yaml: rows.2.published.AP: input should"),
        ("scales/proxy.yaml", ("detectors",), {"retinanet": "retina"}, "proxy.yaml: detectors.retinanet: no detector 'retina'; allowed: atss, "),
        ("scales/proxy.yaml", ("detectors",), {"retina": "atss"}, "proxy.yaml: detectors.retina: no detector 'retina'; allowed: atss, "),
        ("table5.yaml", ("rows", 2, "spec"), {"detector": "atss", "assigner": {"anchor_scale": 4}}, "table5.yaml: rows.2.spec.assigner.anchor_scale: head.box_coder 'delta' starts from the anchors that were"),
        ("table5.yaml", ("rows", 2, "spec"), {"detector": "atss", "assigner": {"name": "max_iou", "low_quality": "all", "anchor_scale": 8}}, "which have no centerness"),
        ("table5.yaml", ("rows", 2, "spec"), {"detector": "jla", "assigner": {"name": "max_iou", "low_quality": "all"}}, "need head.box_coder 'delta'"),
        ("detectors/triple_head.yaml", ("assigner",), {"name": "max_iou", "positive": 0.45}, "detectors/triple_head.yaml: assigner.low_quality 'all' and assigner.positive below 0.5 need head.box_coder 'delta'"),
        ("table5.yaml", ("rows", 2, "spec"), {"detector": "jla", "assigner": {"name": "max_iou", "negative": 0.6}}, "table5.yaml: rows.2.spec.assigner: negative must not exceed"),
        ("detectors/faster_rcnn.yaml", ("postprocess",), {"quality_exponent": 0.2}, "postprocess.quality_exponent: unknown key"),
        ("scales/proxy.yaml", ("speed", "repeats"), 2, "proxy.yaml: speed.repeats: input should be greater than or equal to 5"),
        ("scales/proxy.yaml", ("second_stage", "rois"), 0, "proxy.yaml: second_stage.rois: input should be greater than 0"),
        ("table3.yaml", ("seeds",), 0, "table3.yaml: seeds: input should be greater than 0"),
        ("table3.yaml", ("rows", 0, "label"), "fcos", "table3.yaml: rows: kind speed needs a row FCOS with a spec"),
        ("table3.yaml", ("rows", 1, "spec", "dataset"), "voc", "table3.yaml: rows: speed is compared on the same images"),
        ("config.yaml", ("scale",), "huge", "config.yaml: scale: no scale 'huge'; allowed: mini, paper, proxy, smoke"),
        ("scales/paper.yaml", ("input", "mean"), [0.485, 0.456, 0.406], "paper.yaml: input.mean: found [0.485, 0.456, 0.406], but weights msra were trained on"),
        ("scales/paper.yaml", ("dataset_settings", "voc", "input", "std"), [1, 1, 1], "dataset_settings.voc.input.std: found [1, 1, 1], but weights msra"),
        ("scales/paper.yaml", ("backbones", "resnet50", "weights"), "caffe", "backbones.resnet50.weights: input should be 'none', 'torchvision' or 'msra'"),
        ("scales/proxy.yaml", ("devices",), 9, "devices: found 9, more than the images of a batch of 8 (schedule 1x)"),
        ("scales/proxy.yaml", ("schedules", "1x", "short_range"), [9, 8], "schedules.1x: short_range must be [smallest, largest]"),
        ("config.yaml", ("accelerator",), "tpu", "config.yaml: accelerator: input should be 'cpu', 'auto' or 'gpu'"),
        ("config.yaml", ("scale",), "../../x", "config.yaml: scale: no scale '../../x'; allowed: mini, paper, proxy, smoke"),
        ("config.yaml", ("scale",), "../scales/smoke", "config.yaml: scale: no scale '../scales/smoke'; allowed: mini, paper,"),
        ("scales/proxy.yaml", ("evaluation",), {"area_small": 1600, "area_large": 256}, "proxy.yaml: evaluation: area_large must be at least area_small"),
        ("scales/proxy.yaml", ("dataset_settings", "voc"), {"evaluation": {"area_small": 1601}}, "proxy.yaml: dataset_settings.voc.evaluation: area_large must be"),
        ("scales/mini.yaml", ("schedules", "1x", "steps"), [9, 7, 7], "mini.yaml: schedules.1x: steps must increase"),
        ("scales/mini.yaml", ("schedules", "1x", "steps"), [7, 7], "mini.yaml: schedules.1x: steps must increase"),
        ("table5.yaml", ("rows", 2, "published", "AP"), -37.0, "table5.yaml: rows.2.published.AP: expected percent of 0..100, found -37"),
        ("table5.yaml", ("rows", 2, "published", "AP"), 100.5, "table5.yaml: rows.2.published.AP: expected percent of 0..100, found 100.5"),
        ("table3.yaml", ("rows", 2, "published", "FPS"), 0, "table3.yaml: rows.2.published.FPS: expected more than 0, found 0"),
        ("table4.yaml", ("rows", 2, "published", "parameters"), -1, "table4.yaml: rows.2.published.parameters: expected more than 0"),
        ("config.yaml", ("seeds",), 0, "config.yaml: seeds: input should be greater than 0"),
        ("config.yaml", ("seeds",), 100_000_000, "config.yaml: seeds: input should be less than or equal to 1000, found 100000000"),
        ("scales/proxy.yaml", ("seeds",), 1001, "proxy.yaml: seeds: input should be less than or equal to 1000"),
        ("table3.yaml", ("seeds",), 1001, "table3.yaml: seeds: input should be less than or equal to 1000"),
    ],
)  # fmt: skip
def test_mistakes_name_file_path_and_what_is_allowed(experiments, file, path, value, message):
    change(experiments / file, *path, to=value)
    scale = {"scale": Path(file).stem} if file == "scales/mini.yaml" else {}
    with pytest.raises(InputError) as caught:
        load_plan({"scale": "paper"} if "scales/paper" in file else scale, experiments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def resolved(experiments):
    """The first seed of a spec that no table asks for."""

    def spec(scale: str = "proxy", **row) -> RunSpec:
        exhibit = {"kind": "scores", "title": "x", "section": "x", "rows": [{"label": "x", "spec": row}]}
        (experiments / "table99.yaml").write_text(yaml.safe_dump(exhibit))
        return load_plan({"scale": scale}, experiments).specs["table99", "x"][0]

    return spec


def test_a_scale_may_name_another_file_for_a_detector(experiments, resolved):
    change(experiments / "scales/proxy.yaml", "detectors", to={"retinanet": "atss"})
    assert resolved(detector="retinanet") == resolved(detector="atss")
    assert resolved("mini", detector="retinanet").short_name == "retinanet"
    assert resolved(detector="retinanet", assigner={"top_k": 4}).detector.assigner.top_k == 4


@pytest.mark.parametrize("detector", ["faster_rcnn", "retinanet", "fcos"])
def test_post_processing_reaches_every_detector(experiments, resolved, detector):
    """Of the scale's settings what the detector has, below those of the row."""
    change(experiments / "scales/mini.yaml", "postprocess", to={"max_detections": 300, "quality_exponent": 0.3})
    assert resolved("mini", detector=detector).detector.postprocess.max_detections == 300
    own = resolved("mini", detector=detector, postprocess={"max_detections": 500}).detector.postprocess
    assert own.max_detections == 500
    assert getattr(own, "quality_exponent", 0.3) == 0.3


@pytest.mark.parametrize("name", ["tabel10.yaml", "table10.yml"])
def test_a_file_that_nothing_reads(experiments, name):
    shutil.copy(experiments / "table5.yaml", experiments / name)
    with pytest.raises(InputError, match=f"{name}: is read by nothing"):
        load_plan(folder=experiments)


@pytest.mark.parametrize("name", [".#table5.yaml", "._table5.yaml"])
def test_what_an_editor_or_system_puts_beside_a_file_is_no_matter(experiments, name):
    (experiments / name).symlink_to("user@host.1:2")
    assert load_plan(folder=experiments).exhibits.keys() == load_plan().exhibits.keys()


def test_unknown_configuration_key():
    with pytest.raises(InputError, match="--config: sede: unknown key; did you mean seeds"):
        load_plan({"sede": 1})


def test_the_schema_holds_the_other_exhibits():
    """Tables 3, 6, 7 and 9 and the figures, which later become files, fit without a change."""
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


def with_rows(experiments, *specs: dict) -> None:
    """A figure that asks for these: r0, r1, ..."""
    document = {"kind": "figure", "title": "x", "rows": [{"label": f"r{i}", "spec": s} for i, s in enumerate(specs)]}
    (experiments / "fig99.yaml").write_text(yaml.safe_dump(document))


ROWS = tuple({"detector": "fcos", "dataset": name} for name in ("coco", "voc", "visdrone"))


@pytest.mark.parametrize("scale", SCALES)
def test_every_data_set_resolves_at_every_scale(experiments, scale):
    with_rows(experiments, *ROWS, ROWS[1] | {"schedule": "voc"})
    plan = load_plan({"scale": scale}, experiments)
    coco, voc, visdrone, _ = (plan.specs["fig99", f"r{i}"][0] for i in range(4))
    assert [spec.detector.postprocess.max_detections for spec in (coco, voc, visdrone)] == [100, 100, 500]
    assert [spec.data.layout for spec in (coco, voc, visdrone)] == ["coco", "voc", "visdrone"]
    expected = [80, 20, 10] if scale in ("mini", "paper") else [10, 10, 10]
    assert [spec.num_classes for spec in (coco, voc, visdrone)] == expected
    assert len({spec.data_id for spec in (coco, voc, visdrone)}) == 3
    for spec in (coco, voc, visdrone):
        assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_the_paper_scales_settings_of_voc(experiments):
    with_rows(experiments, *ROWS, ROWS[1] | {"schedule": "voc"})
    plan = load_plan({"scale": "paper"}, experiments)
    sizes = [
        (plan.specs["fig99", f"r{i}"][0].input.short, plan.specs["fig99", f"r{i}"][0].input.long) for i in range(3)
    ]
    assert sizes == [(800, 1333), (600, 1000), (800, 1333)]
    voc = plan.specs["fig99", "r3"][0]
    assert (voc.schedule.iterations, voc.schedule.steps, voc.schedule.batch_size) == (45000, (30000, 40000), 16)
    assert voc.data.train == ("VOC2007/trainval", "VOC2012/trainval")
    assert voc.data.val == ("VOC2007/test",)


def test_a_data_sets_settings_lie_between_the_scales_and_the_rows(experiments):
    change(experiments / "scales/proxy.yaml", "dataset_settings", "voc", to={
        "input": {"flip": 0.25}, "postprocess": {"nms_iou": 0.5, "pre_nms": 50}, "evaluation": {"area_small": 9.0},
    })  # fmt: skip
    with_rows(experiments, ROWS[0], ROWS[1], ROWS[1] | {"postprocess": {"nms_iou": 0.4}})
    coco, voc, row = (load_plan({}, experiments).specs["fig99", f"r{i}"][0] for i in range(3))
    assert (coco.input.flip, voc.input.flip, voc.input.short) == (0, 0.25, 128)
    assert [spec.detector.postprocess.nms_iou for spec in (coco, voc, row)] == [0.6, 0.5, 0.4]
    assert [spec.detector.postprocess.pre_nms for spec in (coco, voc, row)] == [1000, 50, 50]
    assert [spec.evaluation.area_small for spec in (coco, voc, row)] == [256, 9, 9]
    assert voc.evaluation.area_large == coco.evaluation.area_large
    assert coco == load_plan().specs["table5", "FCOS"][0]  # whatever other data sets change


def test_published_numbers_are_the_papers():
    """Transcribed a second time, by hand, from the paper's Tables 1 to 8."""
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
    assert [(row.label, row.published) for row in exhibits["table4"].rows] == [
        ("FCOS", {"parameters": 32_244_250}), ("Faster R-CNN", {"parameters": 41_704_036}),
        ("Ours", {"parameters": 34_614_307}),
    ]  # fmt: skip
    assert [tuple(row.published.values()) for row in exhibits["table5"].rows] == [
        (37.0,), (33.5, 52.8, 35.5), (38.0, 58.2, 40.5), (38.9, 57.8, 41.7), (39.6, 58.0, 42.3), (39.6, 57.7, 42.8),
        (40.3, 57.8, 43.3),
    ]  # fmt: skip
    assert [tuple(row.published.values()) for row in exhibits["table8"].rows] == [
        (39.2, 56.6, 42.5), (39.4, 58.4, 42.2), (39.5, 57.6, 42.8),
    ]  # fmt: skip
    assert [tuple(row.published.values()) for row in exhibits["table6"].rows] == [
        (54.3, 80.4, 59.2), (53.0, 79.0, 58.2), (54.1, 78.6, 59.6), (56.7, 81.6, 61.6),
    ]  # fmt: skip
    assert [tuple(row.published.values()) for row in exhibits["table7"].rows] == [
        (11.8, 21.4, 11.6), (16.7, 29.3, 16.7), (19.0, 32.7, 18.7),
    ]  # fmt: skip


def test_ticks_and_labels_are_the_papers():
    """The columns beside the numbers, once more and by hand; a tick is 1, an empty place 0."""
    exhibits = Experiments().exhibits
    labels = {name: [row.label for row in exhibits[name].rows] for name in ("table6", "table7", "table8")}
    assert labels == {
        "table6": ["RetinaNet", "FCOS", "ATSS", "Ours"],
        "table7": ["RetinaNet", "FCOS", "Ours"],
        "table8": ["BorderDet", "DyHead", "Ours"],
    }

    def ticks(name):
        return [tuple(row.ticks.get(column, 0) for column in exhibits[name].columns) for row in exhibits[name].rows]

    assert ticks("table1") == [(25,), (30,), (35,), (40,), (45,)]
    assert ticks("table2") == [(0, 35, 0), (0.6, 35, 1), (0.7, 35, 1), (0.8, 35, 1)]
    assert ticks("table5") == [
        ("FCOS", 0, 0, 0, 0), (1, 0, 0, 0, 0), (1, 1, 0, 0, 0), (1, 1, 1, 0, 0), (1, 1, 1, 1, 1), (1, 1, 1, 0, 1),
        (1, 1, 1, 1, 1),
    ]  # fmt: skip


TABLE_9 = """
Faster R-CNN [11] | ResNet50 | 36.2 58.5 38.9 21.0 38.9 45.3
Faster R-CNN[11] | ResNet101 | 38.8 60.9 42.1 22.6 42.4 48.5
RetinaNet[12] | ResNet101 | 39.1 59.1 42.3 21.8 42.7 50.2
FCOS[20] | ResNet50 | 37.4 56.5 40.3 21.2 40.3 47.1
FCOS[20] | ResNet101 | 41.5 60.7 45.0 24.4 44.8 51.6
Cas-RetinaNet[40] | ResNet101 | 39.3 59.0 42.8 22.4 42.6 50.0
Cascade R-CNN[41] | ResNet101 | 42.8 62.1 46.3 23.7 45.5 55.2
FreeAnchor[24] | ResNet101 | 43.1 62.2 46.4 24.5 46.1 54.8
GA-RPN[42] | ResNet50 | 39.8 59.2 43.5 21.8 42.6 50.7
Dynamic R-CNN[44] | ResNet50 | 39.1 58.0 42.8 21.3 40.9 50.3
Dynamic R-CNN[44] | ResNet101 | 41.2 60.1 45.1 22.5 43.6 53.2
Lib R-CNN[43] | ResNet50 | 38.7 59.9 42.0 22.5 41.1 48.7
Lib R-CNN[43] | ResNet101 | 40.3 61.3 43.9 22.9 43.1 51.0
SAPD[23] | ResNet101 | 43.5 63.5 46.5 24.9 46.8 54.6
ATSS[15] | ResNet101 | 43.6 62.1 47.4 26.1 47.0 53.6
PAA[45] | ResNet101 | 44.8 63.3 47.4 26.1 47.0 53.6
IQDet[27] | ResNet-101-FPN | 45.1 63.4 49.3 26.7 48.5 56.6
Ours | ResNet50 | 40.9 58.5 44.3 23.1 44.1 51.4
Ours | ResNet101 | 45.0 63.6 49.3 30.3 49.1 53.9
"""


def test_table_9_is_the_papers():
    """The paper's text once more, its errors included."""
    table = Experiments().exhibits["table9"]
    rows = table.rows
    printed = [line.split(" | ") for line in TABLE_9.strip().splitlines()]
    assert [(row.ticks["Method"], row.ticks["backbone"]) for row in rows] == [(name, body) for name, body, _ in printed]
    for row, (_, _, numbers) in zip(rows, printed, strict=True):
        assert row.published == dict(zip(table.metrics, map(float, numbers.split()), strict=True))
    groups = ["Conventional label assignment"] * 7 + ["Dynamic label assignment"] * 10 + ["Ours"] * 2
    assert [row.group for row in rows] == groups
    assert [row.spec is None for row in rows] == [True] * 17 + [False] * 2
    plan = load_plan({"scale": "paper"})
    depths = [plan.specs["table9", row.label][0].detector.backbone.depth for row in rows[-2:]]
    assert depths == [50, 101]


def test_a_figure_may_take_its_rows_from_a_table(experiments):
    plan = load_plan(folder=experiments)
    for row in plan.exhibits["table5"].rows:
        assert plan.specs["fig_ap_by_size", row.label] == plan.specs["table5", row.label]
    assert all(not row.published and not row.ticks for row in plan.exhibits["fig_ap_by_size"].rows)
    file = experiments / "fig_ap_by_size.yaml"
    file.write_text(file.read_text().replace("table5", "tabel5"))
    with pytest.raises(InputError, match=r"fig_ap_by_size\.yaml: rows_of: no rows in 'tabel5'; allowed: table1"):
        load_plan(folder=experiments)
    file.write_text(file.read_text().replace("rows_of: tabel5", ""))
    with pytest.raises(InputError, match="expected either rows or rows_of"):
        load_plan(folder=experiments)


def test_an_exhibit_may_need_fewer_seeds_than_the_scale_has(experiments):
    file = experiments / "fig6.yaml"
    text = file.read_text()
    for asked, found in ((1, 1), (2, 2), (9, 3)):
        file.write_text(f"seeds: {asked}\n{text}")
        plan = load_plan({"scale": "proxy"}, experiments)
        assert len(plan.specs["fig6", "ATSS"]) == found
        assert plan.specs["fig6", "FCOS"] == plan.specs["table5", "FCOS"][:found]


def test_a_run_is_named_after_its_row_of_a_table():
    plan = load_plan()
    run = plan.runs[plan.specs["fig4", "Ours"][0].id]
    assert run.users[0] == ("table3", "Ours") and ("fig4", "Ours") in run.users


def test_a_row_is_validated_once_whatever_number_of_seeds(monkeypatch):
    """A sweep of thousands of runs is planned on every call of Snakemake."""
    calls = []
    original = Resolver.run
    monkeypatch.setattr(Resolver, "run", lambda self, *rest: calls.append(rest) or original(self, *rest))
    load_plan({"seeds": 1})
    once = len(calls)
    many = load_plan({"seeds": 50})
    assert len(calls) == 2 * once
    assert {spec.seed for spec in many.specs["table5", "FCOS"]} == set(range(50))


def test_a_seed_changes_nothing_but_the_seed_and_what_follows_from_it():
    first = load_plan({"seeds": 1}).specs["table5", "FCOS"][0]
    other = first.with_seed(3)
    assert other.seed == 3 and other.id != first.id and other.group == first.group
    assert other == RunSpec.model_validate_json(other.model_dump_json())
