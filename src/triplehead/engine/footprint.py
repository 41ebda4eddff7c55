"""Disk that a run takes, counted before it ran."""

import torch

from triplehead.detectors.build import build_detector
from triplehead.plan.cost import Footprint, val_images
from triplehead.plan.runs import RunSpec

PER_TENSOR = 350  # bytes that torch.save adds
PER_DETECTION = 50  # bytes, of gzipped JSON (26 to 38 in 39 runs of the embedded scales) and of matches (7)
SMALL_FILES = 200_000  # learning curve, assignments, scores, environment; scores of 1,000 resamples, 45 KB of it


def footprint(spec: RunSpec) -> Footprint:
    """Of the files below results/runs/<id>, at most (each image with all detections that it may have), and of the
    training state."""
    with torch.device("meta"):
        model = build_detector(spec)
    tensors = model.state_dict().values()
    weights = sum(tensor.numel() * tensor.element_size() + PER_TENSOR for tensor in tensors)
    trained = [parameter.numel() * 4 for parameter in model.parameters() if parameter.requires_grad]
    moments = 2 if spec.schedule.optimizer == "adamw" else 1
    found = val_images(spec) * spec.detector.postprocess.max_detections * PER_DETECTION
    return Footprint(run=weights + found + SMALL_FILES, state=weights + moments * sum(trained) + SMALL_FILES)
