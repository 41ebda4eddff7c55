"""Gradients of one batch, however many devices and turns it takes: the same up to rounding.

A dense detector's losses are sums over the batch's positives divided by what the whole batch counts (its positives,
their centerness), so its parts' losses add up to the batch's. What it counts is known only when every image has been
assigned, and assignment may depend on predictions: where a device takes its share in several turns, a first pass
without gradients counts, a second one trains. Images are padded to the whole batch's size in either case, since
GroupNorm sees the padding. BatchNorm sees the images at hand: with it the parts differ from the whole.

torchvision's detectors average over images: the means of parts, weighted by their images, add up to the batch's, but
Faster R-CNN draws its samples anew in each part and divides by those that it found in that part.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn

from triplehead.detectors.build import AnyDetector
from triplehead.detectors.dense import DenseDetector
from triplehead.detectors.losses import Share, alone
from triplehead.engine import runtime
from triplehead.plan.shares import cut, num_turns

Counts = dict[str, Tensor]


class BatchGradients:
    """Fills the gradients of `model`, `detector` behind Fabric's wrapper, with those of a whole batch.

    batch_size: images of the whole batch. micro_batch: the most that a device takes at once; none: all it is given.
    """

    def __init__(
        self, fabric: Fabric, model: _FabricModule, detector: AnyDetector, batch_size: int, micro_batch: int | None
    ):
        self.fabric, self.model, self.detector = fabric, model, detector
        self.batch_size, self.turns = batch_size, num_turns(batch_size, fabric.world_size, micro_batch)

    def __call__(self, images: list[Tensor], targets: list[dict], seed: int, step: int) -> dict[str, float]:
        """images, targets: this device's part. Returns the whole batch's losses, their sum as `loss` and, of dense
        detectors, `positives` per box. Raises InputError where the device's memory is too small."""
        return self._losses(images, targets, seed, step, backward=True)

    def losses(self, images: list[Tensor], targets: list[dict], seed: int, step: int) -> dict[str, float]:
        """What a call would return; gradients and the running statistics of BatchNorm stay as they are."""
        with torch.no_grad(), running_statistics_kept(self.detector):
            return self._losses(images, targets, seed, step, backward=False)

    def _losses(
        self, images: list[Tensor], targets: list[dict], seed: int, step: int, backward: bool
    ) -> dict[str, float]:
        turns = cut(len(images), self.turns)
        parts = [(self._on_device(images[turn]), self._targets(targets[turn])) for turn in turns]
        dense = self.detector if isinstance(self.detector, DenseDetector) else None
        if dense is not None:
            dense.normalize.at_least = targets[0]["batch_shape"]
            dense.share = self._share(dense, parts)
        values: Counts = {}
        for turn, (micro_images, micro_targets) in enumerate(parts):
            runtime.seed_step(seed, step, self.fabric.global_rank * len(parts) + turn)
            last = turn == len(parts) - 1
            with (
                runtime.enough_memory(self.fabric.device, "micro_batch", len(micro_images)),
                self.fabric.no_backward_sync(self.model, enabled=not last and self.fabric.world_size > 1),
            ):
                losses = self.model(micro_images, micro_targets)
                total = sum(losses.values())
                # DDP averages over devices and a dense detector's losses add up; torchvision's are averages.
                part = len(micro_images) / self.batch_size
                factor = self.fabric.world_size * (1 if dense is not None else part)
                if backward:
                    self.fabric.backward(total if factor == 1 else total * factor)
            weight = 1 if dense is not None else part
            found = {name: value.detach() * weight for name, value in (losses | {"loss": total}).items()}
            if dense is not None:
                found |= {"positives": dense.positives, "boxes": torch.tensor(dense.boxes)}
            values = {name: values[name] + value if values else value for name, value in found.items()}
        if dense is not None:
            dense.share, dense.normalize.at_least = alone, (0, 0)
        return self._floats(self._summed(values))

    def _on_device(self, images: list[Tensor]) -> list[Tensor]:
        return [self.fabric.to_device(image) for image in images]

    def _targets(self, targets: list[dict]) -> list[dict[str, Tensor]]:
        return [{key: self.fabric.to_device(target[key]) for key in ("boxes", "labels")} for target in targets]

    def _share(self, dense: DenseDetector, parts: list[tuple[list[Tensor], list[dict[str, Tensor]]]]) -> Share:
        if len(parts) == 1:
            return self._summed if self.fabric.world_size > 1 else alone
        counted: list[Counts] = []

        def count(counts: Counts) -> Counts:
            counted.append(counts)
            return counts

        dense.share = count
        with torch.no_grad(), self.fabric.autocast(), running_statistics_kept(dense):
            for images, targets in parts:
                with runtime.enough_memory(self.fabric.device, "micro_batch", len(images)):
                    dense(images, targets)
        sums: Counts = {}
        for counts in counted:
            sums |= {name: sums[name] + value if name in sums else value for name, value in counts.items()}
        totals = self._summed(sums)
        return lambda _: totals

    def _summed(self, values: Counts) -> Counts:
        """Over all devices, in one go."""
        if self.fabric.world_size == 1:
            return values
        flat = torch.stack([value.double().to(self.fabric.device) for value in values.values()])
        whole = self.fabric.all_reduce(flat, reduce_op="sum")
        assert isinstance(whole, Tensor)
        return {name: total.to(value.dtype) for (name, value), total in zip(values.items(), whole, strict=True)}

    @staticmethod
    def _floats(values: Counts) -> dict[str, float]:
        values = dict(values)
        if (boxes := values.pop("boxes", None)) is not None:
            values["positives"] = values["positives"] / max(1, int(boxes))
        return {name: float(value) for name, value in values.items()}


@contextmanager
def running_statistics_kept(model: nn.Module) -> Iterator[None]:
    """BatchNorm goes by the images at hand but does not count them in: the pass that trains will."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d) and module.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
