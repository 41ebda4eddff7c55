"""Heads of one-stage detectors."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from triplehead.plan.options.base import Options, Share
from triplehead.plan.options.own import OwnHead

Norm = Literal["group", "batch"]
# Of a head's hidden convolutions: deviation 0.01, as FCOS has it for SGD and 256 channels, or wider for few channels.
Init = Literal["normal", "kaiming"]


class FCOSTowers(Options):
    """Two parallel towers (FCOS, Tian et al. 2019), alone or with what others add."""

    later = ("box_activation",)

    name: str
    quality: Literal["none", "centerness", "iou"] = "none"
    centerness_on: Literal["classification", "regression"] = "classification"  # tower; ATSS: regression
    num_convs: Annotated[int, Field(ge=1, le=8)] = 4
    norm: Norm = "group"
    init: Init = "normal"
    box_coder: Literal["distance", "delta"] = "distance"
    box_unit: Literal["pixel", "stride"] = "pixel"  # of distances
    box_activation: Literal["exp", "relu"] = "exp"  # of distances; relu: FCOS as detectron2 and torchvision have it
    anchor_scale: PositiveFloat = 8.0  # side in strides of the anchor that deltas start from
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01


class FCOSHead(FCOSTowers):
    """The two towers alone."""

    name: Literal["fcos"] = "fcos"


class TripleHead(Options):
    """Pre-regression, classification and regression branches (paper, section 3.3)."""

    name: Literal["triple"] = "triple"
    refinement: bool = True  # eq. (8)
    quality: Literal["none", "iou"] = "iou"
    # The paper does not say which box is final without refinement. "regressed": the regression branch
    # predicts it anew from the star-sampled features.
    unrefined_box: Literal["coarse", "regressed"] = "coarse"
    # Share of the gradient that passes from the deformable convolutions into the coarse box; unstated.
    offset_gradient: Share = 0.0
    star_norm: Literal["none", "batch"] = "none"  # after the deformable convolution; Table 4's count leaves no room
    num_convs: Annotated[int, Field(ge=2, le=8)] = 4
    norm: Norm = "group"
    init: Init = "normal"
    box_unit: Literal["pixel", "stride"] = "pixel"
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01


class BorderHead(FCOSTowers):
    """FCOS's head and a border branch (BorderDet, Qiu et al. 2020).

    The assigner and FCOS's losses see the FCOS part alone; the border branch's boxes enter no assignment.
    """

    name: Literal["border"] = "border"
    # Channels of either border branch as a share of the backbone's: 256 and 128 of 256.
    cls_width: Annotated[float, Field(gt=0, le=1)] = 1.0
    reg_width: Annotated[float, Field(gt=0, le=1)] = 0.5
    border_norm: Literal["instance", "batch"] = "instance"  # before either branch's ReLU; instance: BorderDet's
    pool_size: Annotated[int, Field(ge=1, le=100)] = 10  # steps along a side: pool_size + 1 points
    positive_iou: Annotated[float, Field(gt=0, le=1)] = 0.6  # of a coarse box that the border branch refines


class DyHead(FCOSTowers):
    """Blocks of scale-, spatial- and task-aware attention (Dai et al. 2021), then FCOS's outputs."""

    name: Literal["dyhead"] = "dyhead"
    norm: Norm = "group"  # also of the blocks, there in 16 groups
    num_blocks: Annotated[int, Field(ge=1, le=12)] = 6
    num_convs: Annotated[int, Field(ge=0, le=8)] = 0  # of FCOS's towers; 0: the blocks replace them


Head = Annotated[FCOSHead | TripleHead | BorderHead | DyHead | OwnHead, Field(discriminator="name")]
HEADS: dict[str, type[Options]] = {"fcos": FCOSHead, "triple": TripleHead, "border": BorderHead, "dyhead": DyHead}
