"""Assigners of one-stage detectors."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from triplehead.plan.options.base import Options, Share
from triplehead.plan.options.own import OwnAssigner


class FCOSAssigner(Options):
    """Spatial ranges: a point belongs to the smallest box around it whose size fits its level."""

    name: Literal["fcos"] = "fcos"
    boundaries: tuple[PositiveFloat, ...] = (64.0, 128.0, 256.0, 512.0)
    center_radius: PositiveFloat | None = None  # in strides; none: the whole box, as in the original

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError("boundaries must increase")
        return self


class JLA(Options):
    """Joint-loss-aware assignment (paper, section 3.2)."""

    name: Literal["jla"] = "jla"
    k: PositiveInt = 35
    # Objects at a small scale hold fewer points; k_share maps the paper's K to the same share of them.
    k_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    theta: Share = 0.6
    alpha: PositiveFloat = 1.0
    # The paper's own rule ("largest weight") makes theta a no-op for two boxes: weights are normalised
    # 1/loss, so the largest weight is the smallest loss. Undecided samples are therefore left out.
    fallback: Literal["ignore", "background", "max_weight"] = "ignore"
    # Share of training after which an ambiguous sample goes to its smallest loss; unstated.
    switch_at: Share = 0.5
    # Unstated. "after": among the positives of each box, as in LLA, on which JLA builds.
    resolve: Literal["after", "before"] = "after"
    # eq. (4): up to the largest loss of the low cluster; "densest": PAA's separation.
    boundary: Literal["cluster", "densest"] = "cluster"
    # Which of the triple head's boxes enters the joint loss; unstated. Section 3.3 fuses the two "in the inference
    # stage", so training has the coarse one to judge by. Heads with one box have no choice.
    joint_box: Literal["coarse", "final"] = "coarse"

    @property
    def k_in_force(self) -> int:
        """K at this scale."""
        return max(1, round(self.k * self.k_share))


class ATSS(Options):
    """Adaptive training sample selection (Zhang et al. 2020)."""

    name: Literal["atss"] = "atss"
    top_k: PositiveInt = 9  # candidates per level
    anchor_scale: PositiveFloat = 8.0  # side in strides of the one square anchor per point


class MaxIoU(Options):
    """RetinaNet's rule on one square anchor per point."""

    name: Literal["max_iou"] = "max_iou"
    positive: Annotated[float, Field(gt=0, le=1)] = 0.5
    negative: Share = 0.4  # anchors between the two are ignored
    # The best anchors of a box match it even below `positive`. "inside": only where their point lies in the box.
    low_quality: Literal["none", "inside", "all"] = "inside"
    anchor_scale: PositiveFloat = 4.0  # side in strides: RetinaNet's base size, 32 pixels at stride 8

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.negative > self.positive:
            raise ValueError("negative must not exceed positive")
        return self


Assigner = Annotated[FCOSAssigner | JLA | ATSS | MaxIoU | OwnAssigner, Field(discriminator="name")]
ASSIGNERS: dict[str, type[Options]] = {"fcos": FCOSAssigner, "jla": JLA, "atss": ATSS, "max_iou": MaxIoU}
