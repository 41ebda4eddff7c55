"""A detector at work on made-up images of the full input size: what costs time and memory, without a data set."""

import math
from collections.abc import Callable
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import Tensor

from triplehead.data.loader import stream
from triplehead.detectors.build import build_detector
from triplehead.detectors.dense import DenseDetector
from triplehead.engine.batch import BatchGradients
from triplehead.engine.schedule import build_optimizer, set_learning_rate
from triplehead.engine.timing import raw_predictions
from triplehead.plan.runs import RunSpec

OBJECTS = 7  # in an image; COCO's mean is 7.3
CANDIDATES = 1 / 20  # for a point: a guess for photographs
SMALLEST = 16  # pixels; sides are spread evenly on a log scale up to the image's shorter one


class Probe:
    """The detector of `spec` with its initial weights on `fabric`'s device, and a batch to train it on.

    Images are noise of `short` x `long` pixels, the largest that the input allows, so times are upper bounds for
    photographs. The learning rate is 0: every step is the same work. micro_batch: images that a step takes at once,
    as in training; none: all.
    """

    def __init__(
        self, spec: RunSpec, fabric: Fabric, batch_size: int, objects: int = OBJECTS, micro_batch: int | None = None
    ):
        self.spec, self.fabric = spec, fabric
        self.detector = build_detector(spec).to(memory_format=torch.channels_last)
        optimizer = build_optimizer(self.detector, spec.schedule)
        set_learning_rate(optimizer, 0.0)
        self.model, self.optimizer = fabric.setup(self.detector, optimizer)
        self.batch_size = batch_size
        self.in_turns = (
            BatchGradients(fabric, self.model, self.detector, batch_size, micro_batch) if micro_batch else None
        )
        self.put(objects)

    def put(self, objects: int) -> None:
        """The same images with so many boxes each."""
        made = [_sample(self.spec, index, objects) for index in range(self.batch_size)]
        self.images = [self.fabric.to_device(image) for image, _ in made]
        self.targets = [{key: self.fabric.to_device(value) for key, value in target.items()} for _, target in made]

    def step(self, _: object = None) -> None:
        """One training step on the batch, as `engine.train` takes it, without reading and bookkeeping."""
        self.detector.train()
        self.optimizer.zero_grad(set_to_none=True)
        if self.in_turns is not None:
            shape = self.spec.input.short, self.spec.input.long
            self.in_turns(self.images, [target | {"batch_shape": shape} for target in self.targets], seed=0, step=0)
        else:
            with self.fabric.autocast():
                total = sum(self.detector(self.images, self.targets).values())
            self.fabric.backward(total)
        if self.spec.schedule.clip_norm is not None:
            clip = self.spec.schedule.clip_norm
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=clip, error_if_nonfinite=False)
        self.optimizer.step()

    def assignment(self, progress: float) -> Callable[[object], Tensor]:
        """A call that does a step's label assignment alone; of a dense detector. `progress`: share of training."""
        detector = self.detector
        assert isinstance(detector, DenseDetector)
        detector.train()
        with torch.no_grad(), self.fabric.autocast():
            predictions, points = detector.predict(self.images)

        def assign(_: object = None) -> Tensor:
            with self.fabric.autocast():
                return detector.assigner(predictions.first_stage, points, self.targets, progress)

        return assign

    def pass_candidates(self, share: float | None = CANDIDATES) -> None:
        """From now on as many classes of points pass a dense detector's score threshold in detection as `share` of the
        points, all without a share: initial weights pass hardly any, and final boxes, decoding and NMS cost nothing."""
        detector = self.detector
        assert isinstance(detector, DenseDetector)
        threshold = 0.0
        if share is not None:
            detector.eval()
            with torch.inference_mode(), self.fabric.autocast():
                logits = detector.predict(self.images[:1])[0].logits
            passing = round(share * logits[..., 0].numel())
            threshold = float(logits.sigmoid().flatten().topk(passing + 1).values[-1])
        detector.postprocess = detector.postprocess.model_copy(update={"score_threshold": threshold})

    def detect(self, _: object = None) -> None:
        """Detections in one image, NMS included, in the step's precision."""
        with self.fabric.autocast():
            self._infer(self.detector)

    def evaluate(self, _: object = None) -> None:
        """The same in float32, as `engine.evaluate` does it."""
        self._infer(self.detector)

    def predict(self, _: object = None) -> None:
        """From one image to raw predictions of all points, in the step's precision."""
        with self.fabric.autocast():
            self._infer(partial(raw_predictions, self.detector))

    def _infer(self, call: Callable) -> None:
        self.detector.eval()
        with torch.inference_mode():
            call(self.images[:1])


def _sample(spec: RunSpec, index: int, objects: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Image [3, short, long] in 0..1 and its boxes [objects, 4] with labels."""
    height, width = spec.input.short, spec.input.long
    generator = torch.Generator().manual_seed(stream(index))
    image = torch.rand(3, height, width, generator=generator)
    smallest = min(SMALLEST, height)
    spread = torch.rand(objects, 2, generator=generator) * math.log(height / smallest)
    size = smallest * spread.exp()
    corner = torch.rand(objects, 2, generator=generator) * (torch.tensor([width, height]) - size)
    labels = torch.randint(spec.num_classes, (objects,), generator=generator)
    return image, {"boxes": torch.cat([corner, corner + size], dim=1), "labels": labels}
