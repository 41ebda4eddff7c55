"""Measured cost of training and detection on one machine (`results/calibration.json`), and which runs it speaks for."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from triplehead.paths import RESULTS
from triplehead.plan.documents import Layer, read_yaml, validate
from triplehead.plan.options import Options, ResNet
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Scale, Step
from triplehead.plan.shares import num_turns

CALIBRATION = RESULTS / "calibration.json"


class Calibration(Options):
    """results/calibration.json: what steps take on one machine; `kinds`: by the kind of run (`kind_in`)."""

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


def kind_in(spec: RunSpec, scale: Scale) -> str:
    """The same, and ", 4 at once" where `scale` has a device take the images of a step in turns, and twice."""
    at_once = micro_batch(spec, scale)
    return f"{kind_of(spec)}, {at_once} at once" if at_once else kind_of(spec)


def micro_batch(spec: RunSpec, scale: Scale) -> int | None:
    """Images that a device takes at once; None where it takes its part of the batch whole."""
    return scale.micro_batch if num_turns(spec.schedule.batch_size, scale.devices, scale.micro_batch) > 1 else None


def read_calibration(path: Path = CALIBRATION) -> Calibration | None:
    """What was measured here; None if nothing was. Raises InputError naming the file and what is wrong in it."""
    return validate(Calibration, Layer(path, "", read_yaml(path))) if path.exists() else None
