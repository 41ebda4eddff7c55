"""Our detectors as detectron2's: registered, configured by yacs and by LazyConfig, trained by its own tool."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detectron2.config import LazyConfig, get_cfg, instantiate
from detectron2.modeling import META_ARCH_REGISTRY, build_model
from detectron2.structures import Boxes, Instances
from tests.detectron2 import tiny

import detectron2
from triplehead.detectors.build import build_detector
from triplehead.detectron2 import add_triplehead_config
from triplehead.detectron2.contract import Contract
from triplehead.detectron2.generate import write_configs
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan, paper_specs

TOOL = Path(detectron2.__file__).resolve().parents[1] / "tools" / "lazyconfig_train_net.py"


def config(*options, architecture: str = "TripleHead"):
    cfg = get_cfg()
    add_triplehead_config(cfg)
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.DEVICE = architecture, "cpu"
    cfg.MODEL.BACKBONE.NAME = "build_triplehead_resnet_fpn_backbone"
    cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res3", "res4", "res5"]
    cfg.merge_from_list(list(options))
    return cfg


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [("TripleHead", 34_614_307), ("TripleHeadFCOS", 32_244_250), ("TripleHeadBaseline", 32_241_945)],
)
def test_yacs(architecture, parameters):
    assert count(build_model(config(architecture=architecture))) == parameters


@pytest.mark.parametrize("head", ["fcos", "triple", "border", "dyhead"])
def test_any_head_with_any_assigner(head):
    image = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    truth = Instances((64, 96), gt_boxes=Boxes(torch.tensor([[8.0, 8.0, 60.0, 50.0]])), gt_classes=torch.tensor([4]))
    for assigner in ("fcos", "jla", "atss", "max_iou"):
        options = ("MODEL.TRIPLEHEAD.HEAD.NAME", head, "MODEL.TRIPLEHEAD.ASSIGNER.NAME", assigner)
        small = ("MODEL.TRIPLEHEAD.HEAD.NUM_BLOCKS", 1) if head == "dyhead" else ()
        model = build_model(config(*options, *small))
        losses = model([{"image": image, "instances": truth}])
        assert all(name.startswith("loss_") and torch.isfinite(value) for name, value in losses.items())
        sum(losses.values()).backward()


def test_options_are_checked():
    model = build_model(config("MODEL.TRIPLEHEAD.ASSIGNER.THETA", 0.7))
    assert model.detector.assigner.options.theta == 0.7
    with pytest.raises(
        InputError,
        match=r"MODEL.TRIPLEHEAD: assigner.pool_size: unknown key|MODEL.TRIPLEHEAD: head.pool_size: unknown key",
    ):
        build_model(config("MODEL.TRIPLEHEAD.HEAD.POOL_SIZE", 3))
    with pytest.raises(InputError, match="has 3 levels, expected 5"):
        cfg = config()
        cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
        cfg.MODEL.RESNETS.OUT_FEATURES = cfg.MODEL.FPN.IN_FEATURES = ["res4", "res5"]
        build_model(cfg)


def test_contract(photographs):
    """Same detections as the detector behind it; BGR bytes in, boxes in the original's pixels out."""
    spec = paper_specs("table4")[0]
    detector = build_detector(spec).eval()
    detector.head.classifier.bias.data.fill_(-2.0)
    model = Contract(detector, 1).eval()
    image = photographs[0]
    height, width = image.shape[1:]
    with torch.no_grad():
        found = detector([image.flip(0).float() / 255])[0]
        doubled = model([{"image": image, "height": 2 * height, "width": 2 * width}])[0]["instances"]
    assert len(found["boxes"]) == 100 and len(doubled) == 100
    assert torch.allclose(doubled.pred_boxes.tensor, 2 * found["boxes"], atol=1e-3)
    assert torch.equal(doubled.scores, found["scores"]) and torch.equal(doubled.pred_classes, found["labels"])
    assert "TripleHead" in META_ARCH_REGISTRY


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> list[Path]:
    return write_configs(tmp_path_factory.mktemp("configs"), Path("experiments"))


def test_a_config_for_every_row(configs):
    plan = load_plan({})
    tables = {name: plan.exhibits[name] for name in ("table1", "table2", "table5", "table6", "table7", "table8")}
    assert len(configs) == sum(row.spec is not None for table in tables.values() for row in table.rows)
    for path in configs:
        cfg = LazyConfig.load(str(path))
        assert cfg.train.max_iter in (45_000, 90_000, 180_000)


@pytest.mark.parametrize(
    ("row", "parameters"),
    [("table5/row1_fcos", 32_244_250), ("table5/row7_all", 34_614_307), ("table6/row1_retinanet", 36_670_872)],
)
def test_models_of_configs(configs, row, parameters):
    cfg = LazyConfig.load(str(next(path for path in configs if row in path.as_posix())))
    model = instantiate(cfg.model)
    assert count(model) == parameters
    cfg.optimizer.params.model = model
    groups = instantiate(cfg.optimizer).param_groups
    assert {group["lr"] for group in groups} == {0.01, 0.02}
    assert {group["weight_decay"] for group in groups} == {0.0001, 0.0}


def by_its_own_tool(configs, row, datasets, out, iterations, **more) -> list[dict]:
    """What a training of small images on the CPU leaves in metrics.json."""
    options = {
        "train.max_iter": iterations,
        "train.device": "cpu",
        "train.init_checkpoint": "",
        "train.output_dir": out,
        "train.log_period": 1,
        "train.eval_period": 0,
        "dataloader.train.total_batch_size": 1,
        "dataloader.train.num_workers": 0,
        "dataloader.test.num_workers": 0,
        "dataloader.train.mapper.augmentations.0.short_edge_length": "[64,64]",
        "dataloader.train.mapper.augmentations.0.max_size": 96,
        "dataloader.test.mapper.augmentations.0.short_edge_length": 32,
        "dataloader.test.mapper.augmentations.0.max_size": 48,
    } | more
    path = next(path for path in configs if row in path.as_posix())
    command = [sys.executable, str(TOOL), "--config-file", str(path)]
    command += [f"{name}={value}" for name, value in options.items()]
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (out / "model_final.pth").is_file()
    return [json.loads(line) for line in (out / "metrics.json").read_text().splitlines()]


has_tool = pytest.mark.skipif(not TOOL.is_file(), reason="detectron2 is installed without its tools")


@has_tool
@pytest.mark.slow
def test_ten_iterations_by_its_own_tool(configs, real_data, tmp_path):
    lines = by_its_own_tool(configs, "table5/row1_fcos", real_data, tmp_path, 10)
    losses = [line for line in lines if "total_loss" in line]
    assert losses[-1]["iteration"] == 9 and {"loss_classification", "loss_box", "loss_quality"} <= losses[-1].keys()


@has_tool
@pytest.mark.slow
def test_table7_by_its_own_tool(configs, tmp_path):
    """Trained and scored on VisDrone's layout."""
    options = {"train.eval_period": 2, "model.postprocess.score_threshold": 0.0}
    lines = by_its_own_tool(configs, "table7/row3_ours", tiny.write(tmp_path / "data"), tmp_path / "out", 2, **options)
    losses, scores = [line for line in lines if "total_loss" in line], lines[-1]
    assert len(losses) == 2 and all(math.isfinite(line["total_loss"]) for line in losses)
    assert 0 <= scores["bbox/AP"] <= scores["bbox/AR500"] <= 100 and "bbox/AP50-car" in scores
