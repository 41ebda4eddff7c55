"""Random predictions and ground truth for the assigners' tests."""

import torch

from triplehead.detectors.boxes import Points, Predictions, make_points

SIZE = 64  # pixels, square images
NUM_CLASSES = 5


def make_grid() -> Points:
    return make_points([(16, 16), (8, 8), (4, 4)], [4, 8, 16])


def make_targets(seed: int, boxes_per_image: tuple[int, ...] = (6, 0, 9, 1)) -> list[dict[str, torch.Tensor]]:
    """Boxes crowd around the middle of the image, so that most points of most boxes are ambiguous."""
    g = torch.Generator().manual_seed(seed)
    targets = []
    for count in boxes_per_image:
        center = SIZE / 2 + 10 * torch.randn(count, 2, generator=g)
        half = 4 + 18 * torch.rand(count, 2, generator=g)
        boxes = torch.cat([center - half, center + half], dim=1).clamp(0, SIZE)
        if count > 3:
            boxes[-1] = torch.tensor([20.1, 20.1, 20.9, 20.9])  # holds no point
            boxes[-2, 2:] = boxes[-2, :2] + 5  # holds fewer points than any K
        targets.append({"boxes": boxes, "labels": torch.randint(NUM_CLASSES, (count,), generator=g)})
    return targets


def rows_of(target: dict[str, torch.Tensor]) -> list[list[float]]:
    """x1, y1, x2, y2, label of each box, for the loops."""
    return torch.cat([target["boxes"].double(), target["labels"][:, None]], dim=1).tolist()


def make_predictions(points: Points, targets: list[dict[str, torch.Tensor]], seed: int) -> Predictions:
    """Half-trained: every point predicts some box of the image, more or less displaced."""
    g = torch.Generator().manual_seed(1000 + seed)
    num_images, num_points = len(targets), len(points.xy)
    boxes = torch.empty(2, num_images, num_points, 4)
    for b, target in enumerate(targets):
        for kind in range(2):
            known = target["boxes"] if len(target["boxes"]) else torch.tensor([[8.0, 8, 40, 40]])
            chosen = known[torch.randint(len(known), (num_points,), generator=g)]
            boxes[kind, b] = chosen + (3 + 5 * kind) * torch.randn(num_points, 4, generator=g)
    logits = 2 * torch.randn(num_images, num_points, NUM_CLASSES, generator=g) - 2
    return Predictions(logits, boxes=boxes[0], coarse_boxes=boxes[1])


def make_case(seed: int):
    points = make_grid()
    targets = make_targets(seed)
    return make_predictions(points, targets, seed), points, targets
