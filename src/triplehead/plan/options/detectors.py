"""Detectors, made of the other parts."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from triplehead.plan.options.assigners import ATSS, Assigner, MaxIoU
from triplehead.plan.options.backbone import Backbone
from triplehead.plan.options.base import Options
from triplehead.plan.options.heads import FCOSTowers, Head
from triplehead.plan.options.training import BoxPostprocess, Loss, Postprocess, RetinaNetPostprocess


class Dense(Options):
    """A one-stage detector: backbone -> head -> (assigner -> losses | post-processing)."""

    architecture: Literal["dense"] = "dense"
    backbone: Backbone
    head: Head
    assigner: Assigner
    loss: Loss = Loss()
    postprocess: Postprocess = Postprocess()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        levels, channels = self.backbone.num_levels, self.backbone.channels
        if self.assigner.name == "fcos" and len(self.assigner.boundaries) != levels - 1:
            raise ValueError(
                f"assigner.boundaries: the {self.backbone.name} backbone has {levels} levels, "
                f"expected {levels - 1} boundaries, found {len(self.assigner.boundaries)}"
            )
        if getattr(self.head, "norm", None) == "group" and channels % 32:
            raise ValueError(f"head.norm: 'group' needs backbone.channels that 32 divides, found {channels}")
        self._anchors_fit()
        return self

    def _anchors_fit(self) -> None:
        head, assigner = self.head, self.assigner
        deltas = head if isinstance(head, FCOSTowers) and head.box_coder == "delta" else None
        if deltas and isinstance(assigner, ATSS | MaxIoU) and assigner.anchor_scale != deltas.anchor_scale:
            raise ValueError(
                f"assigner.anchor_scale: head.box_coder 'delta' starts from the anchors that were matched, expected "
                f"head.anchor_scale {deltas.anchor_scale:g}, found {assigner.anchor_scale:g}"
            )
        if assigner.name != "max_iou":
            return
        if not deltas and (assigner.low_quality == "all" or assigner.positive < 0.5):
            raise ValueError(
                "assigner.low_quality 'all' and assigner.positive below 0.5 need head.box_coder 'delta': distances "
                "describe only boxes around their point"
            )
        if assigner.low_quality == "all" and head.quality == "centerness":
            raise ValueError("assigner.low_quality 'all' matches points outside their box, which have no centerness")


class SecondStage(Options):
    """Of Faster R-CNN; the defaults are the original's."""

    hidden: PositiveInt = 1024  # width of the two fully connected layers
    proposals: PositiveInt = 1000  # per level before NMS and per image after it; twice as many in training
    rois: PositiveInt = 512  # drawn from them per image in training


# Anchors that are whole pixels and a grid spread over the padded image, boxes cut before NMS, and regions pooled from
# corners a half pixel off (torchvision), or as detectron2 has them, for weights that were trained there.
Conventions = Literal["torchvision", "detectron2"]


class FasterRCNN(Options):
    """torchvision's Faster R-CNN on our backbone."""

    later = ("conventions",)

    architecture: Literal["faster_rcnn"]
    backbone: Backbone
    postprocess: BoxPostprocess = BoxPostprocess()
    second_stage: SecondStage = SecondStage()
    conventions: Conventions = "torchvision"


class RetinaNet(Options):
    """torchvision's RetinaNet on our backbone, nine anchors per point; P6 is convolved from C5."""

    later = ("conventions",)

    architecture: Literal["retinanet"]
    backbone: Backbone
    postprocess: RetinaNetPostprocess = RetinaNetPostprocess()
    conventions: Conventions = "torchvision"


Detector = Annotated[Dense | FasterRCNN | RetinaNet, Field(discriminator="architecture")]
DETECTORS: dict[str, type[Options]] = {"dense": Dense, "faster_rcnn": FasterRCNN, "retinanet": RetinaNet}
POSTPROCESS: dict[str, type[Options]] = {
    "dense": Postprocess,
    "faster_rcnn": BoxPostprocess,
    "retinanet": RetinaNetPostprocess,
}
