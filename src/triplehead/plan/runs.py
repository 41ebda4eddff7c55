"""A run is a resolved spec with a seed; its id ends in a digest of everything that defines it."""

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt

from triplehead.plan.engines import Engine
from triplehead.plan.options import JLA, Data, Detector, Evaluation, Input, Options, OwnPart, ResNet, Schedule, Tiny

SEED = "the seed, whichever it is"  # a place in the canonical JSON of a spec


def digest(options: Options | dict) -> str:
    """Ten hex digits of SHA-256 over canonical JSON."""
    return _digest(_canonical(options.model_dump(mode="json") if isinstance(options, Options) else options))


def _canonical(values: dict) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class RunSpec(Options):
    """Everything that decides a run's numbers, all defaults written out."""

    later = ("engine",)

    format: Literal[3] = 3  # of the code's meaning: raised when the same spec trains to other weights
    scale: str
    dataset: str
    data: Data
    num_classes: PositiveInt
    input: Input
    detector: Detector
    schedule: Schedule
    evaluation: Evaluation
    threads: PositiveInt
    seed: Annotated[int, Field(ge=0)]
    engine: Engine = "triplehead"

    @cached_property
    def _around_seed(self) -> tuple[str, str]:
        """The canonical JSON before the seed and after it: a sweep's seeds share it."""
        before, _, after = _canonical(self.model_dump(mode="json") | {"seed": SEED}).partition(json.dumps(SEED))
        return before, after

    def _digest(self, seed: int | None) -> str:
        return _digest(json.dumps(seed).join(self._around_seed))

    @cached_property
    def id(self) -> str:
        """For example proxy-coco-triple-jla-s0-0a1b2c3d4e."""
        by = "" if self.engine == "triplehead" else f"-{self.engine}"
        return f"{self.scale}-{self.dataset}-{self.short_name}{by}-s{self.seed}-{self._digest(self.seed)}"

    def with_seed(self, seed: int) -> "RunSpec":
        """The same run from another seed; what is valid is not validated again, nor what was digested copied."""
        other = self._with(seed=seed)
        other.__dict__ |= {"_around_seed": self._around_seed, "group": self.group}
        return other

    def with_engine(self, engine: Engine) -> "RunSpec":
        """The same run by another engine, whether that is there or not; itself where it is this one's."""
        return self if engine == self.engine else self._with(engine=engine)

    def _with(self, **changes: Any) -> "RunSpec":
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_construct(**values | changes)

    @property
    def short_name(self) -> str:
        """For example fcos-jla: what a reader wants to know of a run before its digest."""
        if self.detector.architecture != "dense":
            return self.detector.architecture
        parts = (self.detector.head, self.detector.assigner)
        return "-".join(part.class_name if isinstance(part, OwnPart) else part.name for part in parts)

    @cached_property
    def group(self) -> str:
        """The same for all seeds of a spec."""
        return self._digest(None)

    @property
    def data_id(self) -> str:
        """The same for all runs on the same images."""
        content = {"format": self.format, "data": self.data.model_dump(mode="json")}
        return f"{self.scale}-{self.dataset}-{digest(content)}"

    @property
    def foreign_k(self) -> int | None:
        """JLA's K in force where a scale derived it from the paper's for the objects of other data than the run's."""
        assigner = getattr(self.detector, "assigner", None)
        if not isinstance(assigner, JLA) or assigner.k_share == 1 or self.dataset == "coco":
            return None
        return assigner.k_in_force

    @property
    def on_test_dev(self) -> bool:
        """Whether COCO's server can have scored it: trained on the user's COCO with all of its categories."""
        return self.data.source == "folder" and self.data.layout == "coco" and self.num_classes == 80

    @property
    def pretrained_id(self) -> str | None:
        """The backbone that training starts from: ImageNet's, or one that classified object crops of the same data."""
        backbone = self.detector.backbone
        if isinstance(backbone, ResNet):
            return None if backbone.weights == "none" else f"resnet{backbone.depth}-{backbone.weights}"
        if not isinstance(backbone, Tiny) or backbone.pretrain is None:
            return None
        parts = {
            "backbone": backbone.model_dump(mode="json"),
            "data": self.data_id,
            "pixels": [self.input.mean, self.input.std],
            "threads": self.threads,
        }
        return f"{self.scale}-{backbone.name}-{digest(parts)}"
