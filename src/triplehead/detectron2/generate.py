"""experiments/ -> LazyConfig files, one for each row that is trained."""

import re
from pathlib import Path

from triplehead.detectron2.catalog import OURS, VISDRONE, VOC_TRAIN
from triplehead.paths import atomic
from triplehead.plan.experiments import Experiments
from triplehead.plan.options import Dense, FasterRCNN, ResNet, VocFolder
from triplehead.plan.runs import RunSpec

EXHIBITS = ("table1", "table2", "table5", "table6", "table7", "table8")
DATASETS = {  # in detectron2's catalog
    "coco": ("coco_2017_train", "coco_2017_val"),
    "voc": ([OURS + name for name in VOC_TRAIN], "voc_2007_test"),
    "visdrone": (VISDRONE["train"], VISDRONE["val"]),
}
RATE = {"iterations", "lr", "warmup", "warmup_iterations", "warmup_factor", "decay", "steps", "gamma"}
WEIGHTS = "detectron2://ImageNetPretrained/MSRA/R-{}.pkl"


def write_configs(folder: Path, experiments: Path) -> list[Path]:
    """A file for each row of Tables 1, 2, 5, 6, 7 and 8 at the paper scale: `folder`/<table>/<row>.py; their paths."""
    read = Experiments(experiments)
    scale, written = read.scale("paper"), []
    for exhibit in (name for name in EXHIBITS if name in read.exhibits):
        for index, row in enumerate(read.exhibits[exhibit].rows):
            spec = read.resolve("paper", scale, exhibit, index)
            if spec is None:
                continue
            path = folder / exhibit / f"{file_name(index, row.label)}.py"
            with atomic(path) as file:
                file.write_text(config_text(spec, f"{read.exhibits[exhibit].title}: {row.label}"))
            written.append(path)
    return written


def file_name(index: int, label: str) -> str:
    """Of a row: its number, for labels that differ in signs alone, and its words."""
    return f"row{index + 1}_" + (re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "row")


def config_text(spec: RunSpec, title: str) -> str:
    """A LazyConfig that says what the spec says, in detectron2's terms."""
    detector, schedule, size = spec.detector, spec.schedule, spec.input
    kind = (
        "dense" if isinstance(detector, Dense) else "faster_rcnn" if isinstance(detector, FasterRCNN) else "retinanet"
    )
    levels = {"dense": "P6 from P5", "faster_rcnn": "two stage", "retinanet": "P6 from C5"}[kind]
    body = detector.backbone
    assert isinstance(body, ResNet)
    post = detector.postprocess.model_dump(mode="json")
    parts = {
        part: getattr(detector, part).model_dump(mode="json")
        for part in ("head", "assigner", "loss")
        if kind == "dense"
    }
    parts |= {"postprocess": post} if kind == "dense" else post
    mean, std = ([round(255 * value, 4) for value in reversed(each)] for each in (size.mean, size.std))
    train, test = DATASETS[spec.dataset]
    if isinstance(spec.data, VocFolder) and spec.data.difficult == "keep":
        train = list(VOC_TRAIN)
    loader = {
        "train": train,
        "test": test,
        "short": size.short,
        "long": size.long,
        "flip": size.flip,
        "batch_size": schedule.batch_size,
        "short_range": list(schedule.short_range) if schedule.short_range else None,
        "group_by_aspect": schedule.group_by_aspect,
        "max_detections": post["max_detections"],
    }
    given = schedule.model_dump(
        mode="json",
        include={"iterations", "lr", "warmup", "warmup_iterations", "warmup_factor", "decay", "steps", "gamma"},
    )
    solver = {
        name: getattr(schedule, name)
        for name in ("lr", "momentum", "weight_decay", "bias_lr_factor", "bias_weight_decay")
    }
    model = {"num_classes": spec.num_classes, "pixel_mean": mean, "pixel_std": std} | parts
    backbone = {
        "depth": body.depth,
        "stride_in_1x1": body.stride_in_1x1,
        "freeze_at": body.frozen_stages,
        "levels": levels,
        "channels": body.channels,
    }
    checkpoint = WEIGHTS.format(body.depth) if body.weights == "msra" else ""
    lines = [
        f"# {title}",
        "# Written by `triplehead detectron2 configs` from experiments/.",
        "from triplehead.detectron2 import lazy",
        "",
        f"backbone = lazy.backbone({_arguments(backbone)})",
        f"model = lazy.{kind}(\n    backbone=backbone,\n{_lines(model)})",
        f"dataloader = lazy.dataloader(\n{_lines(loader)})",
        f"optimizer = lazy.optimizer({_arguments(solver)})",
        f"lr_multiplier = lazy.lr_multiplier({_arguments(given)})",
        f"train = lazy.train(max_iter={schedule.iterations}, init_checkpoint={checkpoint!r}, "
        f"checkpoint_every={schedule.checkpoint_every})",
        "",
    ]
    return "\n".join(lines)


def _arguments(values: dict) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _lines(values: dict) -> str:
    """A line for each argument, options in a block of their own."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            inner = "".join(f"        {key}={each!r},\n" for key, each in value.items())
            lines.append(f"    {name}=dict(\n{inner}    ),\n")
        else:
            lines.append(f"    {name}={value!r},\n")
    return "".join(lines)
