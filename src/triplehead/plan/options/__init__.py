"""What can be chosen: one frozen model per part, validated without importing torch.

Each class is also the argument of the part that it configures (`JLA(JLAOptions(k=25))`,
`FCOSHead(FCOSHeadOptions(), ...)`), so what passes here is what the constructor takes.
"""

from triplehead.plan.options.assigners import ASSIGNERS, ATSS, JLA, Assigner, FCOSAssigner, MaxIoU
from triplehead.plan.options.backbone import Backbone, Pretrain, ResNet, Tiny, Weights
from triplehead.plan.options.base import Options, Share
from triplehead.plan.options.data import (
    LAYOUTS,
    CocoFolder,
    Data,
    Difficult,
    Folder,
    ImageSets,
    Input,
    Scenes,
    VisDroneFolder,
    VisDroneScenes,
    VocFolder,
    VocScenes,
)
from triplehead.plan.options.detectors import (
    DETECTORS,
    POSTPROCESS,
    Conventions,
    Dense,
    Detector,
    FasterRCNN,
    RetinaNet,
    SecondStage,
)
from triplehead.plan.options.heads import HEADS, BorderHead, DyHead, FCOSHead, Head, Init, Norm, TripleHead
from triplehead.plan.options.own import OwnAssigner, OwnBoxLoss, OwnHead, OwnPart
from triplehead.plan.options.training import (
    BoxPostprocess,
    Evaluation,
    Loss,
    Postprocess,
    Precision,
    RetinaNetPostprocess,
    Schedule,
)

__all__ = [
    "ASSIGNERS",
    "ATSS",
    "DETECTORS",
    "HEADS",
    "JLA",
    "LAYOUTS",
    "POSTPROCESS",
    "Assigner",
    "Backbone",
    "BorderHead",
    "BoxPostprocess",
    "CocoFolder",
    "Conventions",
    "Data",
    "Dense",
    "Detector",
    "Difficult",
    "DyHead",
    "Evaluation",
    "FCOSAssigner",
    "FCOSHead",
    "FasterRCNN",
    "Folder",
    "Head",
    "ImageSets",
    "Init",
    "Input",
    "Loss",
    "MaxIoU",
    "Norm",
    "Options",
    "OwnAssigner",
    "OwnBoxLoss",
    "OwnHead",
    "OwnPart",
    "Postprocess",
    "Precision",
    "Pretrain",
    "ResNet",
    "RetinaNet",
    "RetinaNetPostprocess",
    "Scenes",
    "Schedule",
    "SecondStage",
    "Share",
    "Tiny",
    "TripleHead",
    "VisDroneFolder",
    "VisDroneScenes",
    "VocFolder",
    "VocScenes",
    "Weights",
]
