"""JLA's assigner against one scikit-learn mixture per ground truth, and as a share of a training step."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from benchmarks.measure import Result, by_turns, compare, result
from benchmarks.probes import paper_probe
from sklearn.mixture import GaussianMixture

from triplehead.detectors.assigners.jla import Claims, JLAAssigner
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
            losses = claims.loss[own].double().numpy()[:, None]
            if len(losses) < 2:
                continue
            low, high = losses.min(), losses.max()
            start = {"weights_init": [0.5, 0.5], "means_init": [[low], [high]], "precisions_init": [[[1.0]], [[1.0]]]}
            first = GaussianMixture(2, **start).fit(losses).predict(losses) == 0
            boundary = losses[first].max() if first.any() else low
            keep[own] = torch.from_numpy(losses[:, 0] <= boundary)
        return claims[keep]


def scene(num_boxes: int, seed: int = 0) -> tuple[Predictions, Points, list[dict[str, torch.Tensor]]]:
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
    assigner, loop = JLAAssigner(JLA(k=35)), OneByOne(JLA(k=35))
    for count, target in AGAINST_A_LOOP.items():
        given = (*scene(count), 0.0)
        if not np.array_equal(assigner(*given), loop(*given)):
            raise AssertionError(f"{count} boxes: the two assigners disagree")
        calls = {"JLA": lambda given=given: assigner(*given), "a mixture a box": lambda given=given: loop(*given)}
        yield from compare(f"assignment, {count} boxes", calls, 3 if count == 1000 else 9, target)
    scenes = {f"{count} boxes": (*scene(count), 0.0) for count in ALONE}
    seconds = by_turns({name: lambda given=given: assigner(*given) for name, given in scenes.items()}, 7)
    first = "1 boxes"
    for name in scenes:
        yield result("assignment, scaling", name, seconds[name], first, seconds[first])
    for objects in (7, 300):
        probe = paper_probe("table5", "JLA", batch_size=2, short=800, long=1333, objects=objects)
        calls = {"assignment": probe.assignment(0.0), "step": probe.step}
        yield from compare(f"share of a step, 2 images of 800 x 1333, {objects} boxes each", calls, 3, ">= 10")
