"""The assigner's memory follows the pairs of a box and a point inside it."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from triplehead.detectors.assigners.jla import JLAAssigner
from triplehead.detectors.boxes import Predictions, make_points
from triplehead.plan.options import JLA


class Largest(TorchDispatchMode):
    """Entries of the largest tensor that any operation returns."""

    entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else [result]:
            if torch.is_tensor(each):
                self.entries = max(self.entries, each.untyped_storage().nbytes() // each.element_size())
        return result


def test_no_tensor_of_all_boxes_by_all_points():
    points = make_points([(64, 64), (32, 32)], [8, 16])  # 5,120 points
    count, classes = 2000, 20
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(count, 2, generator=generator) * 480
    boxes = torch.cat([corner, corner + 8 + 16 * torch.rand(count, 2, generator=generator)], dim=1)
    targets = [{"boxes": boxes, "labels": torch.randint(classes, (count,), generator=generator)}]
    logits = torch.randn(1, len(points.xy), classes, generator=generator)
    x, y = points.xy.unbind(1)
    pairs = sum(int(((x > x1) & (x < x2) & (y > y1) & (y < y2)).sum()) for x1, y1, x2, y2 in boxes.tolist())
    predictions = Predictions(logits, boxes[torch.randint(count, (1, len(points.xy)), generator=generator)])
    with Largest() as largest:
        JLAAssigner(JLA(k=35))(predictions, points, targets, 0.0)
    axes = count * (64 + 64 + 32 + 32)
    assert largest.entries <= max(logits.numel(), 35 * count * 2, 10 * pairs, axes) < count * len(points.xy) / 10
