"""A backbone that has seen objects: crops of training objects, classified. Stands in for ImageNet."""

from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from triplehead.data.crops import Crops
from triplehead.detectors.backbone import TinyBody
from triplehead.engine import checkpoint, runtime
from triplehead.engine.train import LAST, NOT_FINITE, runaway
from triplehead.errors import InputError
from triplehead.plan.options import Tiny
from triplehead.plan.runs import RunSpec


def pretrain(spec: RunSpec, data: Path, out: Path) -> None:
    """Train the body of `spec`'s backbone on object crops and write its weights to `out`. Raises InputError, and writes
    nothing, where the loss or the weights run away: every run that started from them would."""
    backbone = spec.detector.backbone
    assert isinstance(backbone, Tiny) and backbone.pretrain is not None and spec.pretrained_id is not None
    options = backbone.pretrain
    fabric = runtime.start(spec, "cpu")
    crops = Crops(runtime.open_data(spec, data, "train", cache=True), options.crop_size, options.batch_size, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = TinyBody(backbone.widths)
        classifier = nn.Linear(backbone.widths[-1], spec.num_classes)
    model = nn.ModuleList([body, classifier]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.iterations)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.input.mean, spec.input.std))
    recorded: list[float] = []
    for step in range(options.iterations):
        images, labels = crops.batch(step)
        logits = classifier(body((images - mean) / std)[-1].mean(dim=(2, 3)))
        loss = cross_entropy(logits, labels)
        recorded.append(loss.item())
        if (what := runaway(recorded[-1], recorded[0])) is not None:
            raise _diverged(spec, what, recorded, options.lr)
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss)
        optimizer.step()
        decay.step()
        if (step + 1) % max(1, options.iterations // 10) == 0:
            accuracy = (logits.argmax(dim=1) == labels).float().mean()
            fabric.print(f"{step + 1}/{options.iterations}  loss {loss:.3f}  accuracy {accuracy:.2f}")
    if checkpoint.not_finite(body.state_dict()) is not None:
        raise _diverged(spec, NOT_FINITE, recorded, options.lr)
    checkpoint.save(out, spec.pretrained_id, body=body.state_dict())


def _diverged(spec: RunSpec, what: str, losses: list[float], lr: float) -> InputError:
    *before, last = losses
    said = ", ".join(f"{value:.4g}" for value in before[-LAST:]) or "none"
    found = f"pretraining diverged at iteration {len(losses)}, {what}: loss {last:g}; losses before: {said}"
    return InputError(str(spec.pretrained_id), f"{found}; lower lr of pretrain at scale {spec.scale}, found {lr:g}")
