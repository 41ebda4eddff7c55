"""Measured cost of training and detection on one machine (`results/calibration.json`), and which runs it speaks for."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from triplehead.paths import RESULTS
from triplehead.plan.documents import Layer, read_yaml, validate
from triplehead.plan.options import Options, ResNet
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Step

CALIBRATION = RESULTS / "calibration.json"


class Calibration(Options):
    """results/calibration.json: what steps take on one machine; `kinds`: by the kind of run (`kind_of`)."""

    device: Literal["cpu", "gpu"]
    hardware: str  # name of the processor or GPU
    threads: PositiveInt
    repeats: PositiveInt
    environment: dict[str, str]
    kinds: dict[str, Step]

    @property
    def machine(self) -> str:
        """For example: NVIDIA H100 80GB HBM3."""
        return self.hardware if self.device == "gpu" else f"{self.hardware}, {self.threads} threads"


def kind_of(spec: RunSpec) -> str:
    """What decides the time of an image: "triple-jla resnet50 800x1333 80 classes 32-true". The stride of a ResNet is
    in the 1x1 unless it is v1.5, where it is in the 3x3; the engine is this suite's unless another is named first.
    """
    backbone = spec.detector.backbone
    name = f"{backbone.name}{getattr(backbone, 'depth', '')}"
    if isinstance(backbone, ResNet) and not backbone.stride_in_1x1:
        name += "-v1.5"
    by = "" if spec.engine == "triplehead" else f"{spec.engine} "
    size = f"{spec.input.short}x{spec.input.long}"
    return f"{by}{spec.short_name} {name} {size} {spec.num_classes} classes {spec.schedule.precision}"


def read_calibration(path: Path = CALIBRATION) -> Calibration | None:
    """What was measured here; None if nothing was. Raises InputError naming the file and what is wrong in it."""
    return validate(Calibration, Layer(path, "", read_yaml(path))) if path.exists() else None
