"""torchvision's RetinaNet on our backbones."""

from torch import Tensor
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator

from triplehead.detectors.backbone import Pyramid
from triplehead.detectors.detectron2_conventions import ExactAnchors, LateClipRetinaNet
from triplehead.detectors.torchvision_detector import NamedLevels, TorchvisionDetector
from triplehead.plan.options import Conventions, RetinaNetPostprocess


class RetinaNetDetector(TorchvisionDetector):
    """Nine anchors a point: three sizes from 4 strides on (32 to 512 pixels at P3 to P7), three shapes.

    No class is background. Towers of four convolutions without normalisation, focal and L1 loss, each divided by
    an image's positives and averaged over the images (torchvision's rule; the paper's code base divides by the
    positives of the batch).
    """

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        postprocess: RetinaNetPostprocess,
        conventions: Conventions = "torchvision",
    ):
        theirs = conventions == "detectron2"
        sizes = tuple(tuple(4 * stride * 2 ** (octave / 3) for octave in range(3)) for stride in backbone.strides)
        shapes = ((0.5, 1.0, 2.0),) * len(sizes)
        model = (LateClipRetinaNet if theirs else RetinaNet)(
            NamedLevels(backbone),
            num_classes=num_classes,
            anchor_generator=(
                ExactAnchors(sizes, shapes, backbone.strides)
                if theirs
                else AnchorGenerator(sizes=sizes, aspect_ratios=shapes)
            ),
            score_thresh=postprocess.score_threshold,
            nms_thresh=postprocess.nms_iou,
            detections_per_img=postprocess.max_detections,
            topk_candidates=postprocess.pre_nms,
            image_mean=list(mean),
            image_std=list(std),
        )
        super().__init__(model, first_label=0)

    def predict(self, images: list[Tensor]) -> dict[str, Tensor]:
        """Raw class logits [B, A, classes] and box regressions [B, A, 4] of all anchors."""
        batch, _ = self.model.transform(images)
        return self.model.head(list(self.model.backbone(batch.tensors).values()))
