"""Outputs that are no numbers are counted by image, whatever the detector."""

import math

import pytest
import torch

from triplehead.detectors.build import build_detector
from triplehead.engine.finite import all_finite
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

SPECS = {spec.short_name: spec for (_, _), (spec, *_) in load_plan({"scale": "smoke", "seeds": 1}).specs.items()}


@pytest.mark.parametrize("name", SPECS)
def test_one_image_of_three(name):
    detector = build_detector(SPECS[name]).eval()
    images = list(torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode(), all_finite(detector, "run"):
        sound = detector(images)
    images[1] = images[1].clone().fill_(math.nan)
    with (
        pytest.raises(InputError, match=r"^run: on 1 of 3 images logits or boxes are not finite"),
        torch.inference_mode(),
        all_finite(detector, "run"),
    ):
        found = detector(images)
    for index in (0, 2):  # watched, not changed
        assert all(torch.equal(found[index][key], sound[index][key]) for key in ("scores", "labels"))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in detector.modules())
