"""Losses, post-processing, schedule, evaluation."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from triplehead.plan.options.base import Options, Share
from triplehead.plan.options.own import OwnBoxLoss


class Loss(Options):
    """Of a one-stage detector: focal loss of the classes, and the weights of the losses of box and quality."""

    focal_alpha: Share = 0.25
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    box: Literal["iou", "giou"] | OwnBoxLoss = "iou"
    box_weight: PositiveFloat = 1.0  # of a head with one box
    coarse_weight: PositiveFloat = 1.0
    refined_weight: PositiveFloat = 1.0
    quality_weight: PositiveFloat = 1.0
    iou_target: Literal["coarse", "final"] = "coarse"  # the box whose IoU the confidence predicts; unstated


class BoxPostprocess(Options):
    """What every detector does with its boxes; Faster R-CNN's proposals keep torchvision's settings."""

    score_threshold: Share = 0.05  # on the class probability alone
    nms_iou: Share = 0.5
    max_detections: PositiveInt = 100


class RetinaNetPostprocess(BoxPostprocess):
    """Of RetinaNet, which chooses candidates level by level."""

    pre_nms: PositiveInt = 1000  # per level


class Postprocess(RetinaNetPostprocess):
    """Of a dense detector."""

    later = ("rule",)

    nms_iou: Share = 0.6  # as in FCOS's code; unstated
    quality_exponent: Share = 0.5  # score = class^(1-q) * quality^q
    # "detectron2": `score_threshold` is on the score, the quality included, and boxes are cut at the border after NMS.
    rule: Literal["fcos", "detectron2"] = "fcos"


Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Schedule(Options):
    """Optimiser, learning rate by iteration, and batches."""

    iterations: PositiveInt
    batch_size: PositiveInt = 16
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: PositiveFloat = 0.01
    momentum: Share = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0001
    bias_lr_factor: PositiveFloat = 2.0
    bias_weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: Literal["constant", "linear"] = "constant"
    warmup_iterations: Annotated[int, Field(ge=0)] = 500
    warmup_factor: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    decay: Literal["steps", "cosine"] = "steps"
    steps: tuple[PositiveInt, ...] = ()
    gamma: PositiveFloat = 0.1
    clip_norm: PositiveFloat | None = None
    precision: Precision = "32-true"
    # Multi-scale training: each sample's `short` is drawn from the whole numbers between these two.
    short_range: tuple[PositiveInt, PositiveInt] | None = None
    group_by_aspect: bool = False  # batches of landscapes or of portraits, as in maskrcnn-benchmark: less padding
    checkpoint_every: PositiveInt = 1000

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError("steps must increase")
        if any(step >= self.iterations for step in self.steps):
            raise ValueError(f"steps must lie below iterations ({self.iterations})")
        if self.warmup_iterations > self.iterations:
            raise ValueError(f"warmup_iterations must not exceed iterations ({self.iterations})")
        if self.short_range is not None and self.short_range[0] > self.short_range[1]:
            raise ValueError("short_range must be [smallest, largest]")
        return self


class Evaluation(Options):
    """Images at a time, and where COCO's sizes of objects are cut."""

    batch_size: PositiveInt = 8
    area_small: PositiveFloat = 32.0**2  # pixels of the original image
    area_large: PositiveFloat = 96.0**2

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.area_large < self.area_small:
            raise ValueError("area_large must be at least area_small")
        return self
