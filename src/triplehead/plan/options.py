"""What can be chosen: one frozen model per part, validated without importing torch.

Each class is also the argument of the part that it configures (`JLA(JLAOptions(k=25))`,
`FCOSHead(FCOSHeadOptions(), ...)`), so what passes here is what the constructor takes.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Norm = Literal["group", "batch"]
# Of a head's hidden convolutions: deviation 0.01, as FCOS has it for SGD and 256 channels, or wider for few channels.
Init = Literal["normal", "kaiming"]
# VOC's difficult objects in training. "drop", as in the code base that the paper's counts point to; detectron2 keeps.
Difficult = Literal["keep", "drop"]
ImageSets = Annotated[tuple[Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")], ...], Field(min_length=1)]


class Options(BaseModel):
    """Base: immutable, no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# --- data ---------------------------------------------------------------------------------------


class Scenes(Options):
    """The embedded data: scenes of scikit-learn's handwritten digits, here of mixed sizes in COCO's layout.

    `train`, `val`: images; `objects`: fewest and most in one; `small`, `medium`: shares of objects, the rest are
    large; `overlap`: share of objects that are put partly over another one. The other kinds build on these.
    """

    source: Literal["scenes"] = "scenes"
    kind: Literal["coco"] = "coco"
    image_size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 128
    train: PositiveInt = 3000
    val: PositiveInt = 500
    objects: tuple[PositiveInt, PositiveInt] = (2, 8)
    small: Share = 0.41
    medium: Share = 0.34
    overlap: Share = 0.3
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def layout(self) -> str:
        return self.kind

    @property
    def num_classes(self) -> int:
        return 10

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.small + self.medium > 1:
            raise ValueError("small + medium must not exceed 1: the rest are large objects")
        if self.objects[0] > self.objects[1]:
            raise ValueError("objects must be [fewest, most]")
        return self


class VocScenes(Scenes):
    """Few digits, mostly large, in the VOC devkit's layout; `difficult_share` of them hard to see and flagged so."""

    kind: Literal["voc"] = "voc"
    objects: tuple[PositiveInt, PositiveInt] = (1, 4)
    small: Share = 0.05
    medium: Share = 0.25
    difficult_share: Share = 0.15
    difficult: Difficult = "drop"


class VisDroneScenes(Scenes):
    """Many tiny digits in VisDrone's layout. `regions`: share of images with ignored regions; `ignored`: share of
    objects with score 0."""

    kind: Literal["visdrone"] = "visdrone"
    objects: tuple[PositiveInt, PositiveInt] = (8, 30)
    small: Share = 0.45
    medium: Share = 0.35
    overlap: Share = 0.2
    regions: Share = 0.5
    ignored: Share = 0.05


LAYOUTS = {"coco": "COCO", "voc": "VOC", "visdrone": "VisDrone"}  # as their authors write them


class Folder(Options):
    """Images that the user has, in a data set's official layout below `data_root`.

    `annotations`: files and folders below it whose change makes other data.
    """

    source: Literal["folder"]


class CocoFolder(Folder):
    """COCO 2017."""

    layout: Literal["coco"] = "coco"
    num_classes: PositiveInt = 80
    train_images: str = "coco/train2017"
    train_annotations: str = "coco/annotations/instances_train2017.json"
    val_images: str = "coco/val2017"
    val_annotations: str = "coco/annotations/instances_val2017.json"

    @property
    def annotations(self) -> tuple[str, ...]:
        return self.train_annotations, self.val_annotations


class VocFolder(Folder):
    """PASCAL VOC: trained on trainval of 2007 and 2012, tested on 2007's test (paper, section 4.2)."""

    layout: Literal["voc"] = "voc"
    devkit: str = "voc/VOCdevkit"
    train: ImageSets = ("VOC2007/trainval", "VOC2012/trainval")
    val: ImageSets = ("VOC2007/test",)
    difficult: Difficult = "drop"

    @property
    def num_classes(self) -> int:
        return 20

    @property
    def annotations(self) -> tuple[str, ...]:
        sets = [each.split("/") for each in (*self.train, *self.val)]
        parts = [f"{year}/ImageSets/Main/{name}.txt" for year, name in sets]
        parts += dict.fromkeys(f"{year}/Annotations" for year, _ in sets)
        return tuple(f"{self.devkit}/{part}" for part in parts)


class VisDroneFolder(Folder):
    """VisDrone2019-DET. The paper does not say on which split it tested; val is the one that everybody has."""

    layout: Literal["visdrone"] = "visdrone"
    train: str = "visdrone/VisDrone2019-DET-train"
    val: str = "visdrone/VisDrone2019-DET-val"

    @property
    def num_classes(self) -> int:
        return 10

    @property
    def annotations(self) -> tuple[str, ...]:
        return f"{self.train}/annotations", f"{self.val}/annotations"


Data = Annotated[
    Annotated[Scenes | VocScenes | VisDroneScenes, Field(discriminator="kind")]
    | Annotated[CocoFolder | VocFolder | VisDroneFolder, Field(discriminator="layout")],
    Field(discriminator="source"),
]


class Input(Options):
    """Shorter side is scaled to `short` unless the longer would exceed `long` (pixels)."""

    short: PositiveInt = 800
    long: PositiveInt = 1333
    flip: Share = 0.5
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.long < self.short:
            raise ValueError("long must be at least short")
        return self


# --- backbone -----------------------------------------------------------------------------------


class Pretrain(Options):
    """Object-crop classification before detection training: stands in for ImageNet."""

    iterations: PositiveInt = 600
    batch_size: PositiveInt = 64
    lr: PositiveFloat = 0.003
    crop_size: Annotated[int, Field(ge=16, multiple_of=16)] = 32


class Tiny(Options):
    """Three-stage ResNet with one basic block a stage, FPN levels of strides 4, 8, 16."""

    num_levels: ClassVar = 3

    name: Literal["tiny"]
    widths: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 32, 48)
    channels: PositiveInt = 32
    pretrain: Pretrain | None = None


class ResNet(Options):
    """ResNet-50/101 with frozen BatchNorm, FPN P3-P7, P6 and P7 convolved from P5."""

    num_levels: ClassVar = 5

    name: Literal["resnet"]
    depth: Literal[50, 101]
    channels: Annotated[int, Field(ge=32, multiple_of=32)] = 256
    frozen_stages: Annotated[int, Field(ge=0, le=5)] = 2


Backbone = Annotated[Tiny | ResNet, Field(discriminator="name")]


# --- heads --------------------------------------------------------------------------------------


class FCOSHead(Options):
    """Two parallel towers (FCOS, Tian et al. 2019)."""

    name: Literal["fcos"] = "fcos"
    quality: Literal["none", "centerness", "iou"] = "none"
    centerness_on: Literal["classification", "regression"] = "classification"  # tower; ATSS: regression
    num_convs: Annotated[int, Field(ge=1, le=8)] = 4
    norm: Norm = "group"
    init: Init = "normal"
    box_coder: Literal["distance", "delta"] = "distance"
    box_unit: Literal["pixel", "stride"] = "pixel"  # of distances
    anchor_scale: PositiveFloat = 8.0  # side in strides of the anchor that deltas start from
    prior: Annotated[float, Field(gt=0, lt=1)] = 0.01


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


class BorderHead(FCOSHead):
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


class DyHead(FCOSHead):
    """Blocks of scale-, spatial- and task-aware attention (Dai et al. 2021), then FCOS's outputs."""

    name: Literal["dyhead"] = "dyhead"
    norm: Norm = "group"  # also of the blocks, there in 16 groups
    num_blocks: Annotated[int, Field(ge=1, le=12)] = 6
    num_convs: Annotated[int, Field(ge=0, le=8)] = 0  # of FCOS's towers; 0: the blocks replace them


Head = Annotated[FCOSHead | TripleHead | BorderHead | DyHead, Field(discriminator="name")]
HEADS = {"fcos": FCOSHead, "triple": TripleHead, "border": BorderHead, "dyhead": DyHead}


# --- assigners ----------------------------------------------------------------------------------


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


Assigner = Annotated[FCOSAssigner | JLA | ATSS | MaxIoU, Field(discriminator="name")]
ASSIGNERS = {"fcos": FCOSAssigner, "jla": JLA, "atss": ATSS, "max_iou": MaxIoU}


# --- losses, post-processing, training ----------------------------------------------------------


class Loss(Options):
    focal_alpha: Share = 0.25
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    box: Literal["iou", "giou"] = "iou"
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
    pre_nms: PositiveInt = 1000  # per level


class Postprocess(RetinaNetPostprocess):
    """Of a dense detector."""

    nms_iou: Share = 0.6
    quality_exponent: Share = 0.5  # score = class^(1-q) * quality^q


class Schedule(Options):
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
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    checkpoint_every: PositiveInt = 1000

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(step >= self.iterations for step in self.steps):
            raise ValueError(f"steps must lie below iterations ({self.iterations})")
        if self.warmup_iterations > self.iterations:
            raise ValueError(f"warmup_iterations must not exceed iterations ({self.iterations})")
        return self


class Evaluation(Options):
    batch_size: PositiveInt = 8
    area_small: PositiveFloat = 32.0**2  # pixels of the original image
    area_large: PositiveFloat = 96.0**2


# --- detectors ----------------------------------------------------------------------------------


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
        if self.head.norm == "group" and channels % 32:
            raise ValueError(f"head.norm: 'group' needs backbone.channels that 32 divides, found {channels}")
        self._anchors_fit()
        return self

    def _anchors_fit(self) -> None:
        head, assigner = self.head, self.assigner
        deltas = getattr(head, "box_coder", "distance") == "delta"
        if deltas and assigner.name in ("atss", "max_iou") and assigner.anchor_scale != head.anchor_scale:
            raise ValueError(
                f"assigner.anchor_scale: head.box_coder 'delta' starts from the anchors that were matched, expected "
                f"head.anchor_scale {head.anchor_scale:g}, found {assigner.anchor_scale:g}"
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


class FasterRCNN(Options):
    """torchvision's Faster R-CNN on our backbone."""

    architecture: Literal["faster_rcnn"]
    backbone: Backbone
    postprocess: BoxPostprocess = BoxPostprocess()
    second_stage: SecondStage = SecondStage()


class RetinaNet(Options):
    """torchvision's RetinaNet on our backbone, nine anchors per point; P6 is convolved from C5."""

    architecture: Literal["retinanet"]
    backbone: Backbone
    postprocess: RetinaNetPostprocess = RetinaNetPostprocess()


Detector = Annotated[Dense | FasterRCNN | RetinaNet, Field(discriminator="architecture")]
POSTPROCESS = {"dense": Postprocess, "faster_rcnn": BoxPostprocess, "retinanet": RetinaNetPostprocess}
