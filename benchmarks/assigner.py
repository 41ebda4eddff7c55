"""JLA against one scikit-learn mixture per ground truth: the mixtures alone, whole assignments; its share of a step."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from benchmarks.measure import Result, by_turns, compare, result
from benchmarks.probes import paper_probe
from sklearn.mixture import GaussianMixture
from torch import Tensor

from triplehead.detectors.assigners.jla import Claims, JLAAssigner, smallest_per_box
from triplehead.detectors.assigners.mixture import low_cluster
from triplehead.detectors.boxes import Points, Predictions, make_points
from triplehead.plan.options import JLA

STRIDES = [8, 16, 32, 64, 128]
HEIGHT, WIDTH, CLASSES = 800, 1333, 80
AGAINST_A_LOOP = {1: "", 10: "", 100: ">= 60", 1000: ">= 150"}
ALONE = (1, 3, 10, 30, 100, 300, 1000, 3000)


class OneByOne(JLAAssigner):
    """The mixtures as PAA has them: scikit-learn's, one box after the other. All else is JLA's."""

    def _low_loss(self, claims: Claims, num_boxes: int) -> Claims:
        keep = torch.ones_like(claims.gt, dtype=torch.bool)
        for box in range(num_boxes):
            own = (claims.gt == box).nonzero().squeeze(1)
            if len(own) > 1:
                keep[own] = low_cluster_by_scikit_learn(claims.loss[own])
        return claims[keep]


def low_cluster_by_scikit_learn(losses: Tensor) -> Tensor:
    """Of one box's losses [K] those up to the boundary of the low cluster -> bool [K]."""
    values = losses.double().numpy()[:, None]
    low, high = values.min(), values.max()
    start = {"weights_init": [0.5, 0.5], "means_init": [[low], [high]], "precisions_init": [[[1.0]], [[1.0]]]}
    first = GaussianMixture(2, **start).fit(values).predict(values) == 0
    return torch.from_numpy(values[:, 0] <= (values[first].max() if first.any() else low))


def candidate_losses(num_boxes: int, k: int = 35) -> Tensor:
    """The losses [num_boxes, k] that a scene's boxes hand to their mixtures; boxes with fewer are repeated others'."""
    predictions, points, targets = scene(num_boxes)
    claims = JLAAssigner(JLA(k=k))._foreground(predictions, points, targets)
    claims = smallest_per_box(claims, num_boxes, k)
    rows = [row for row in claims.loss.split(claims.gt.bincount(minlength=num_boxes).tolist()) if len(row) == k]
    return torch.stack([rows[index % len(rows)] for index in range(num_boxes)])


def scene(num_boxes: int, seed: int = 0) -> tuple[Predictions, Points, list[dict[str, Tensor]]]:
    """One image of 800 x 1333 pixels; half of the points predict a box near one that holds them."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(math.ceil(HEIGHT / stride), math.ceil(WIDTH / stride)) for stride in STRIDES]
    points = make_points(sizes, STRIDES)
    side = 24 * (torch.rand(num_boxes, 2, generator=generator) * math.log(20)).exp()
    corner = torch.rand(num_boxes, 2, generator=generator) * (torch.tensor([WIDTH, HEIGHT]) - side)
    boxes = torch.cat([corner, corner + side], dim=1)
    labels = torch.randint(CLASSES, (num_boxes,), generator=generator)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = torch.cat([torch.cdist(part, centre).argmin(dim=1) for part in points.xy.split(2048)])
    noise = torch.randn(len(points.xy), 4, generator=generator) * torch.rand(len(points.xy), 1, generator=generator)
    predicted = boxes[near] + 0.3 * noise * side[near].repeat(1, 2)
    logits = torch.randn(len(points.xy), CLASSES, generator=generator) - 4
    logits[torch.arange(len(near)), labels[near]] += 3 * torch.rand(len(near), generator=generator)
    return Predictions(logits[None], predicted[None]), points, [{"boxes": boxes, "labels": labels}]


def run() -> Iterator[Result]:
    for count, target in AGAINST_A_LOOP.items():
        losses = candidate_losses(count)
        valid = torch.ones_like(losses, dtype=torch.bool)
        calls = {
            "at once": lambda losses=losses, valid=valid: low_cluster(losses, valid, "cluster"),
            "scikit-learn's": lambda losses=losses: torch.stack([low_cluster_by_scikit_learn(row) for row in losses]),
        }
        ours, theirs = (call() for call in calls.values())
        if not torch.equal(ours, theirs):
            raise AssertionError(f"{count} boxes: the mixtures disagree")
        yield from compare(f"mixtures of {count} boxes, K = 35", calls, 3 if count == 1000 else 9, target)
    assigner, loop = JLAAssigner(JLA(k=35)), OneByOne(JLA(k=35))
    for count in AGAINST_A_LOOP:
        given = (*scene(count), 0.0)
        if not np.array_equal(assigner(*given), loop(*given)):
            raise AssertionError(f"{count} boxes: the two assigners disagree")
        calls = {"JLA": lambda given=given: assigner(*given), "a mixture a box": lambda given=given: loop(*given)}
        yield from compare(f"assignment, {count} boxes", calls, 3 if count == 1000 else 9)
    scenes = {f"{count} boxes": (*scene(count), 0.0) for count in ALONE}
    seconds = by_turns({name: lambda given=given: assigner(*given) for name, given in scenes.items()}, 7)
    first = "1 boxes"
    for name in scenes:
        yield result("assignment, scaling", name, seconds[name], first, seconds[first])
    for objects in (7, 300):
        probe = paper_probe("table5", "JLA", batch_size=2, short=800, long=1333, objects=objects)
        calls = {"assignment": probe.assignment(0.0), "step": probe.step}
        yield from compare(f"share of a step, 2 images of 800 x 1333, {objects} boxes each", calls, 3, ">= 10")
