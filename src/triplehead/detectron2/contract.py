"""Our detectors behind detectron2's contract: list of dicts in, losses or Instances out."""

import torch
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage, has_event_storage
from torch import Tensor, nn

from triplehead.detectors.dense import DenseDetector

FORMAT = "BGR"  # of detectron2's images, unless a configuration says otherwise


class Contract(nn.Module):
    """`detector` of this suite as a detectron2 model.

    In: for each image a dict with `image`, [3, H, W] of 0..255 in `input_format`, in training `instances` with
    gt_boxes and gt_classes, in evaluation `height` and `width` of the original image where they differ. Out: a dict of
    losses, or a list of {"instances": Instances} with pred_boxes (pixels of the original), scores, pred_classes.
    iterations: of the training, for assigners that depend on its progress, which detectron2's event storage knows.
    """

    def __init__(self, detector: nn.Module, iterations: int, input_format: str = FORMAT):
        super().__init__()
        self.detector, self.iterations, self.input_format = detector, iterations, input_format

    @property
    def device(self) -> torch.device:
        return next(self.detector.parameters()).device

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict[str, Instances]]:
        images = [self._pixels(each["image"]) for each in batched_inputs]
        if self.training:
            return self._losses(images, [each["instances"].to(self.device) for each in batched_inputs])
        outputs = []
        for image, found, given in zip(images, self.detector(images), batched_inputs, strict=True):
            size = tuple(image.shape[1:])
            instances = Instances(
                size, pred_boxes=Boxes(found["boxes"]), scores=found["scores"], pred_classes=found["labels"]
            )
            height, width = given.get("height", size[0]), given.get("width", size[1])
            outputs.append({"instances": detector_postprocess(instances, height, width)})
        return outputs

    def _losses(self, images: list[Tensor], instances: list[Instances]) -> dict[str, Tensor]:
        if has_event_storage():
            self.detector.progress = get_event_storage().iter / self.iterations
        targets = [{"boxes": each.gt_boxes.tensor, "labels": each.gt_classes} for each in instances]
        dense = self.detector if isinstance(self.detector, DenseDetector) else None
        if dense is not None and comm.get_world_size() > 1:
            dense.share = _mean_over_processes
        losses = self.detector(images, targets)
        if dense is not None and has_event_storage():
            get_event_storage().put_scalar("positives", float(dense.positives) / max(1, dense.boxes))
        return {f"loss_{name}": value for name, value in losses.items()}

    def _pixels(self, image: Tensor) -> Tensor:
        """[3, H, W] RGB in 0..1."""
        image = image.to(self.device).float() / 255
        return image.flip(0) if self.input_format == "BGR" else image


def _mean_over_processes(counts: dict[str, Tensor]) -> dict[str, Tensor]:
    """DDP averages the processes' gradients: parts divided by a process's mean share add up to the whole batch's."""
    size = comm.get_world_size()
    summed = {name: value.clone() for name, value in counts.items()}
    for value in summed.values():
        torch.distributed.all_reduce(value)
    return {name: value / size for name, value in summed.items()}
