"""torchvision's Faster R-CNN on our backbones."""

from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from triplehead.detectors.torchvision_detector import NamedLevels, TorchvisionDetector
from triplehead.plan.options import BoxPostprocess


class FasterRCNNDetector(TorchvisionDetector):
    """One anchor size of 8 strides a level, three shapes. Class 0 inside is background."""

    def __init__(
        self,
        backbone: nn.Module,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        postprocess: BoxPostprocess,
    ):
        strides = backbone.strides
        pooled = [str(level) for level, stride in enumerate(strides) if stride <= 32]
        model = FasterRCNN(
            NamedLevels(backbone),
            num_classes=num_classes + 1,
            rpn_anchor_generator=AnchorGenerator(
                sizes=tuple((8 * stride,) for stride in strides), aspect_ratios=((0.5, 1.0, 2.0),) * len(strides)
            ),
            box_roi_pool=MultiScaleRoIAlign(featmap_names=pooled, output_size=7, sampling_ratio=2),
            box_score_thresh=postprocess.score_threshold,
            box_nms_thresh=postprocess.nms_iou,
            box_detections_per_img=postprocess.max_detections,
            image_mean=list(mean),
            image_std=list(std),
        )
        super().__init__(model, first_label=1)
