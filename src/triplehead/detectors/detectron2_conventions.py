"""What detectron2's RetinaNet and Faster R-CNN do otherwise than torchvision's, for weights that were trained there."""

import math

import torch
from torch import Tensor
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, batched_nms, box_area, clip_boxes_to_image, roi_align

CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4  # a box of this side belongs to P4 (Lin et al. 2017, eq. 1)


class ExactAnchors(AnchorGenerator):
    """Anchors of fractional sides, all shapes of a size together, on grids of the levels' own strides.

    torchvision rounds them, puts all sizes of a shape together, and spreads a level's grid over the padded image:
    61 pixels apart at stride 64, where 800 pixels make 13 cells.
    """

    def __init__(self, sizes: tuple, aspect_ratios: tuple, strides: list[int]):
        super().__init__(sizes, aspect_ratios)
        self.strides = strides

    def generate_anchors(self, scales, aspect_ratios, dtype=torch.float32, device="cpu") -> Tensor:
        anchors = []
        for size in scales:
            for ratio in aspect_ratios:
                width = math.sqrt(size**2 / ratio)
                height = ratio * width
                anchors.append([-width / 2, -height / 2, width / 2, height / 2])
        return torch.tensor(anchors, dtype=dtype, device=device)

    def grid_anchors(self, grid_sizes, strides) -> list[Tensor]:
        device = self.cell_anchors[0].device
        exact = [[torch.tensor(stride, device=device)] * 2 for stride in self.strides]
        return super().grid_anchors(grid_sizes, exact)


class AlignedPool(MultiScaleRoIAlign):
    """RoIAlign that puts pixel centres at half numbers and samples as often as a bin has cells (detectron2's V2)."""

    def __init__(self, names: list[str], strides: list[int], output_size: int):
        super().__init__(names, output_size, sampling_ratio=0)
        self.names, self.strides = names, strides

    def forward(self, features: dict[str, Tensor], boxes: list[Tensor], image_shapes: list) -> Tensor:
        """features: by level [B, C, H, W]; boxes: of each image [P, 4] -> [sum of P, C, S, S]."""
        first = round(math.log2(self.strides[0]))
        side = torch.cat([box_area(each) for each in boxes]).sqrt()
        level = (CANONICAL_LEVEL + torch.log2(side / CANONICAL_SIDE + 1e-8)).floor()
        level = level.clamp(first, first + len(self.names) - 1).long() - first
        image = torch.cat([torch.full((len(each), 1), float(i), device=each.device) for i, each in enumerate(boxes)])
        regions = torch.cat([image, torch.cat(boxes)], dim=1)  # [sum of P, 5]
        example = features[self.names[0]]
        pooled = example.new_zeros(len(regions), example.shape[1], *self.output_size)
        for index, (name, stride) in enumerate(zip(self.names, self.strides, strict=True)):
            mine = (level == index).nonzero().flatten()
            found = roi_align(features[name], regions[mine], self.output_size, 1 / stride, 0, aligned=True)
            pooled[mine] = found.to(pooled.dtype)
        return pooled


class LateClipRetinaNet(RetinaNet):
    """Cuts boxes at the image's border after NMS, not before."""

    def postprocess_detections(self, head_outputs, anchors, image_shapes) -> list[dict[str, Tensor]]:
        logits, deltas = (
            head_outputs["cls_logits"],
            head_outputs["bbox_regression"],
        )  # of each level [B, A, K], [B, A, 4]
        found = []
        for index, size in enumerate(image_shapes):
            boxes, scores, labels = [], [], []
            for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors[index], strict=True):
                probability = level_logits[index].sigmoid()
                anchor, label = (probability > self.score_thresh).nonzero(as_tuple=True)
                best = probability[anchor, label].argsort(descending=True, stable=True)[: self.topk_candidates]
                anchor, label = anchor[best], label[best]
                boxes.append(self.box_coder.decode_single(level_deltas[index][anchor], level_anchors[anchor]))
                scores.append(probability[anchor, label])
                labels.append(label)
            all_boxes, all_scores, all_labels = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
            keep = batched_nms(all_boxes, all_scores, all_labels, self.nms_thresh)[: self.detections_per_img]
            cut = clip_boxes_to_image(all_boxes[keep], size)
            keep = keep[(cut[:, 2:] > cut[:, :2]).all(dim=1)]
            cut = clip_boxes_to_image(all_boxes[keep], size)
            found.append({"boxes": cut, "scores": all_scores[keep], "labels": all_labels[keep]})
        return found
