"""torchvision's Faster R-CNN behind our contract."""

import pytest
import torch

from triplehead.detectors.build import build_detector
from triplehead.plan.plan import load_plan


@pytest.fixture(scope="module")
def detector():
    return build_detector(load_plan({"scale": "smoke"}).specs["table3", "Faster R-CNN"][0])


@pytest.mark.parametrize("training", [True, False])
def test_images_enter_at_their_own_size_padded(detector, training):
    """torchvision would scale them to 800 pixels."""
    seen = []
    hook = detector.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    targets = [{"boxes": torch.tensor([[4.0, 4, 40, 40]]), "labels": torch.tensor([0])}] * 2
    with torch.no_grad():
        detector.train(training)([torch.rand(3, 70, 96), torch.rand(3, 64, 60)], targets if training else None)
    hook.remove()
    assert seen == [(2, 3, 96, 96)]


def test_raw_predictions_are_those_that_the_whole_detector_decodes(detector):
    image, seen = torch.rand(3, 70, 96), []
    hook = detector.model.roi_heads.box_predictor.register_forward_hook(lambda *call: seen.append(call[-1]))
    with torch.inference_mode():
        detector.eval()([image])
        logits, boxes = detector.predict([image])
    hook.remove()
    assert 0 < len(logits) <= 125 and logits.shape[1] == 11 and boxes.shape[1] == 44
    assert torch.equal(seen[0][0], logits) and torch.equal(seen[0][1], boxes)
