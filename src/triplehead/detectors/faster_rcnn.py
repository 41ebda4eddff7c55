"""torchvision's Faster R-CNN on our backbones and contract."""

from torch import Tensor
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from triplehead.detectors.backbone import Pyramid
from triplehead.detectors.detectron2_conventions import AlignedPool, ExactAnchors
from triplehead.detectors.torchvision_detector import NamedLevels, TorchvisionDetector
from triplehead.plan.options import BoxPostprocess, Conventions, SecondStage

POOLED = 7  # side of a pooled region


class FasterRCNNDetector(TorchvisionDetector):
    """One anchor size of 8 strides a level, three shapes. Class 0 inside is background."""

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        postprocess: BoxPostprocess,
        second_stage: SecondStage,
        conventions: Conventions = "torchvision",
    ):
        theirs, strides = conventions == "detectron2", backbone.strides
        pooled = [str(level) for level, stride in enumerate(strides) if stride <= 32]
        sizes, shapes = tuple((8 * stride,) for stride in strides), ((0.5, 1.0, 2.0),) * len(strides)
        model = FasterRCNN(
            NamedLevels(backbone),
            rpn_pre_nms_top_n_train=2 * second_stage.proposals,
            rpn_pre_nms_top_n_test=second_stage.proposals,
            rpn_post_nms_top_n_train=2 * second_stage.proposals,
            rpn_post_nms_top_n_test=second_stage.proposals,
            rpn_anchor_generator=(
                ExactAnchors(sizes, shapes, strides) if theirs else AnchorGenerator(sizes=sizes, aspect_ratios=shapes)
            ),
            box_roi_pool=(
                AlignedPool(pooled, strides[: len(pooled)], POOLED)
                if theirs
                else MultiScaleRoIAlign(featmap_names=pooled, output_size=POOLED, sampling_ratio=2)
            ),
            box_head=TwoMLPHead(backbone.channels * POOLED**2, second_stage.hidden),
            box_predictor=FastRCNNPredictor(second_stage.hidden, num_classes + 1),
            box_batch_size_per_image=second_stage.rois,
            box_score_thresh=postprocess.score_threshold,
            box_nms_thresh=postprocess.nms_iou,
            box_detections_per_img=postprocess.max_detections,
            image_mean=list(mean),
            image_std=list(std),
        )
        super().__init__(model, first_label=1)

    def predict(self, images: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Raw class logits [P, classes + 1] and box regressions [P, 4 (classes + 1)] of all images' P proposals."""
        batch, _ = self.model.transform(images)
        features = self.model.backbone(batch.tensors)
        proposals, _ = self.model.rpn(batch, features)
        second = self.model.roi_heads
        return second.box_predictor(second.box_head(second.box_roi_pool(features, proposals, batch.image_sizes)))
