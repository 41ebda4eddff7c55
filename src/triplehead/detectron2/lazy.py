"""The parts of LazyConfig files: each function gives what `tools/lazyconfig_train_net.py` instantiates.

The files that `triplehead detectron2 configs` writes call these with all values spelled out, so that everything can be
overridden on that tool's command line, for example model.head.refinement=False train.max_iter=10.
"""

from typing import Any

import detectron2.data.transforms as T
import torch
from detectron2.config import LazyCall as L
from detectron2.data import (
    DatasetMapper,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.evaluation import COCOEvaluator, PascalVOCDetectionEvaluator
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, GeneralizedRCNN, ResNet, RetinaNet
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.backbone import BasicStem
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator import RPN, StandardRPNHead
from detectron2.modeling.roi_heads import FastRCNNConvFCHead, FastRCNNOutputLayers, StandardROIHeads
from detectron2.solver import get_default_optimizer_params
from omegaconf import DictConfig, OmegaConf

from triplehead.detectron2.catalog import VISDRONE_EVALUATOR
from triplehead.detectron2.contract import FORMAT
from triplehead.detectron2.meta_arch import TripleHead
from triplehead.detectron2.solver import Rate
from triplehead.detectron2.visdrone import VisDroneEvaluator
from triplehead.plan.options import Schedule


def backbone(depth: int, stride_in_1x1: bool, freeze_at: int, levels: str, channels: int = 256) -> DictConfig:
    """ResNet and FPN. levels: "P6 from P5" (FCOS and its kin), "P6 from C5" (RetinaNet), "two stage" (P2 to P6)."""
    stages = ["res3", "res4", "res5"] if levels != "two stage" else ["res2", "res3", "res4", "res5"]
    top = {
        "P6 from P5": L(LastLevelP6P7)(in_channels=channels, out_channels=channels, in_feature="p5"),
        "P6 from C5": L(LastLevelP6P7)(in_channels=2048, out_channels=channels),
        "two stage": L(LastLevelMaxPool)(),
    }[levels]
    return L(FPN)(
        bottom_up=L(ResNet)(
            stem=L(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
            stages=L(ResNet.make_default_stages)(depth=depth, stride_in_1x1=stride_in_1x1, norm="FrozenBN"),
            out_features=stages,
            freeze_at=freeze_at,
        ),
        in_features=stages,
        out_channels=channels,
        top_block=top,
    )


def dense(
    backbone: DictConfig,
    num_classes: int,
    pixel_mean: list[float],
    pixel_std: list[float],
    head: dict[str, Any],
    assigner: dict[str, Any],
    loss: dict[str, Any],
    postprocess: dict[str, Any],
) -> DictConfig:
    """One of our detectors; pixel statistics in BGR order, of 0..255."""
    return L(TripleHead)(
        backbone=backbone,
        num_classes=num_classes,
        pixel_mean=pixel_mean,
        pixel_std=pixel_std,
        iterations="${train.max_iter}",
        head=head,
        assigner=assigner,
        loss=loss,
        postprocess=postprocess,
        input_format=FORMAT,
    )


def retinanet(
    backbone: DictConfig,
    num_classes: int,
    pixel_mean: list[float],
    pixel_std: list[float],
    score_threshold: float,
    nms_iou: float,
    max_detections: int,
    pre_nms: int,
) -> DictConfig:
    """detectron2's own RetinaNet, by its common configuration."""
    sizes = [[size * 2 ** (octave / 3) for octave in range(3)] for size in (32, 64, 128, 256, 512)]
    return L(RetinaNet)(
        backbone=backbone,
        head=L(RetinaNetHead)(
            input_shape=[ShapeSpec(channels=256)] * 5,
            num_classes="${..num_classes}",
            conv_dims=[256, 256, 256, 256],
            prior_prob=0.01,
            num_anchors=9,
        ),
        anchor_generator=L(DefaultAnchorGenerator)(
            sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128], offset=0.0
        ),
        box2box_transform=L(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
        anchor_matcher=L(Matcher)(thresholds=[0.4, 0.5], labels=[0, -1, 1], allow_low_quality_matches=True),
        num_classes=num_classes,
        head_in_features=["p3", "p4", "p5", "p6", "p7"],
        test_score_thresh=score_threshold,
        test_topk_candidates=pre_nms,
        test_nms_thresh=nms_iou,
        max_detections_per_image=max_detections,
        pixel_mean=pixel_mean,
        pixel_std=pixel_std,
        input_format=FORMAT,
    )


def faster_rcnn(
    backbone: DictConfig,
    num_classes: int,
    pixel_mean: list[float],
    pixel_std: list[float],
    score_threshold: float,
    nms_iou: float,
    max_detections: int,
) -> DictConfig:
    """detectron2's own Faster R-CNN, by its common configuration: boxes for each class, none for the background."""
    return L(GeneralizedRCNN)(
        backbone=backbone,
        proposal_generator=L(RPN)(
            in_features=["p2", "p3", "p4", "p5", "p6"],
            head=L(StandardRPNHead)(in_channels=256, num_anchors=3),
            anchor_generator=L(DefaultAnchorGenerator)(
                sizes=[[32], [64], [128], [256], [512]],
                aspect_ratios=[0.5, 1.0, 2.0],
                strides=[4, 8, 16, 32, 64],
                offset=0.0,
            ),
            anchor_matcher=L(Matcher)(thresholds=[0.3, 0.7], labels=[0, -1, 1], allow_low_quality_matches=True),
            box2box_transform=L(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_topk=(2000, 1000),
            post_nms_topk=(1000, 1000),
            nms_thresh=0.7,
        ),
        roi_heads=L(StandardROIHeads)(
            num_classes=num_classes,
            batch_size_per_image=512,
            positive_fraction=0.25,
            proposal_matcher=L(Matcher)(thresholds=[0.5], labels=[0, 1], allow_low_quality_matches=False),
            box_in_features=["p2", "p3", "p4", "p5"],
            box_pooler=L(ROIPooler)(
                output_size=7, scales=(1 / 4, 1 / 8, 1 / 16, 1 / 32), sampling_ratio=0, pooler_type="ROIAlignV2"
            ),
            box_head=L(FastRCNNConvFCHead)(
                input_shape=ShapeSpec(channels=256, height=7, width=7), conv_dims=[], fc_dims=[1024, 1024]
            ),
            box_predictor=L(FastRCNNOutputLayers)(
                input_shape=ShapeSpec(channels=1024),
                test_score_thresh=score_threshold,
                test_nms_thresh=nms_iou,
                test_topk_per_image=max_detections,
                box2box_transform=L(Box2BoxTransform)(weights=(10, 10, 5, 5)),
                num_classes="${..num_classes}",
            ),
        ),
        pixel_mean=pixel_mean,
        pixel_std=pixel_std,
        input_format=FORMAT,
    )


def dataloader(
    train: str | list[str],
    test: str,
    short: int,
    long: int,
    flip: float,
    batch_size: int,
    short_range: list[int] | None = None,
    group_by_aspect: bool = False,
    num_workers: int = 4,
    max_detections: int = 100,
) -> DictConfig:
    """Loaders and evaluator; data sets by their names in detectron2's catalog. VOC is scored by detectron2's evaluator,
    VisDrone by ours, all else by COCO's."""
    sides = tuple(short_range or (short, short))
    scored_by = MetadataCatalog.get(test).get("evaluator_type")
    if scored_by == "pascal_voc":
        evaluator = L(PascalVOCDetectionEvaluator)(dataset_name=test)
    elif scored_by == VISDRONE_EVALUATOR:
        evaluator = L(VisDroneEvaluator)(dataset_name=test)
    else:
        most = None if max_detections == 100 else max_detections
        evaluator = L(COCOEvaluator)(dataset_name=test, max_dets_per_image=most, output_dir="${train.output_dir}")
    return OmegaConf.create(
        {
            "train": L(build_detection_train_loader)(
                dataset=L(get_detection_dataset_dicts)(names=train),
                mapper=L(DatasetMapper)(
                    is_train=True,
                    augmentations=[
                        L(T.ResizeShortestEdge)(short_edge_length=sides, max_size=long, sample_style="range"),
                        L(T.RandomFlip)(prob=flip, horizontal=True),
                    ],
                    image_format=FORMAT,
                ),
                total_batch_size=batch_size,
                aspect_ratio_grouping=group_by_aspect,
                num_workers=num_workers,
            ),
            "test": L(build_detection_test_loader)(
                dataset=L(get_detection_dataset_dicts)(names=test, filter_empty=False),
                mapper=L(DatasetMapper)(
                    is_train=False,
                    augmentations=[L(T.ResizeShortestEdge)(short_edge_length=short, max_size=long)],
                    image_format=FORMAT,
                ),
                num_workers=num_workers,
            ),
            "evaluator": evaluator,
        },
        flags={"allow_objects": True},
    )


def optimizer(
    lr: float, momentum: float, weight_decay: float, bias_lr_factor: float, bias_weight_decay: float
) -> DictConfig:
    """SGD; the tool puts the model in."""
    return L(torch.optim.SGD)(
        params=L(get_default_optimizer_params)(
            base_lr="${..lr}",
            weight_decay="${..weight_decay}",
            bias_lr_factor=bias_lr_factor,
            weight_decay_bias=bias_weight_decay,
        ),
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
    )


def lr_multiplier(**schedule: Any) -> DictConfig:
    """Warm-up and steps in iterations of the published length; detectron2 scales them to train.max_iter."""
    return L(scheduler)(**schedule)


def scheduler(**schedule: Any) -> Rate:
    """A `Schedule` as fvcore's scheduler."""
    return Rate(Schedule.model_validate(schedule, strict=False))


def train(max_iter: int, init_checkpoint: str, checkpoint_every: int) -> DictConfig:
    return OmegaConf.create(
        {
            "output_dir": "./output",
            "init_checkpoint": init_checkpoint,
            "max_iter": max_iter,
            "amp": {"enabled": False},
            "ddp": {"broadcast_buffers": False, "find_unused_parameters": False, "fp16_compression": False},
            "checkpointer": {"period": checkpoint_every, "max_to_keep": 1},
            "eval_period": max_iter,
            "log_period": 20,
            "device": "cuda",
        }
    )
