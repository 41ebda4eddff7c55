"""ResNet with FPN against torchvision's own, whose weights it takes."""

import pytest
import torch
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from triplehead.detectors.backbone import ResNetFPN
from triplehead.plan.options import ResNet


def torchvisions(depth: int, frozen_stages: int) -> torch.nn.Module:
    return resnet_fpn_backbone(
        backbone_name=f"resnet{depth}",
        weights=None,
        trainable_layers=5 - frozen_stages,
        returned_layers=[2, 3, 4],
        extra_blocks=LastLevelP6P7(256, 256),
    )


def pair(depth: int, frozen_stages: int) -> tuple[ResNetFPN, torch.nn.Module]:
    """Ours and torchvision's with the same weights, and norms that do something."""
    ours = ResNetFPN(ResNet(name="resnet", depth=depth, frozen_stages=frozen_stages))
    theirs = torchvisions(depth, frozen_stages)
    generator = torch.Generator().manual_seed(depth)
    state = theirs.state_dict()
    for name, value in state.items():
        if name.endswith(("running_var", "bn1.weight", "bn2.weight", "bn3.weight", "downsample.1.weight")):
            state[name] = torch.rand(value.shape, generator=generator) + 0.5
        elif name.endswith(("running_mean", "bias")):
            state[name] = torch.rand(value.shape, generator=generator) - 0.5
    theirs.load_state_dict(state)
    ours.fpn.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize("depth", [50, 101])
def test_folding_frozen_norms_changes_maps_and_gradients_by_rounding_alone(depth):
    ours, theirs = pair(depth, frozen_stages=2)
    ours, theirs = ours.double(), theirs.double()
    images = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps, expected = ours(images), list(theirs(images).values())
    for found, want in zip(maps, expected, strict=True):
        assert (found - want).abs().max() <= 1e-9 * want.abs().max()
    for outputs in (maps, expected):
        sum(each.square().mean() for each in outputs).backward()
    gradients = {name: parameter.grad for name, parameter in ours.fpn.named_parameters()}
    for name, parameter in theirs.named_parameters():
        if parameter.grad is None:
            assert gradients.pop(name) is None
        else:
            error = (gradients.pop(name) - parameter.grad).abs().max()
            assert error <= 1e-9 * parameter.grad.abs().max(), name
    assert not gradients


@pytest.mark.parametrize("frozen_stages", range(6))
def test_freezes_what_torchvision_freezes(frozen_stages):
    ours, theirs = pair(50, frozen_stages)
    frozen = [name for name, parameter in theirs.named_parameters() if not parameter.requires_grad]
    assert [name for name, parameter in ours.fpn.named_parameters() if not parameter.requires_grad] == frozen
    assert bool(frozen) == (frozen_stages > 0)


@pytest.mark.parametrize("depth", [50, 101])
def test_a_seed_draws_the_weights_that_torchvisions_has(depth):
    torch.manual_seed(0)
    ours = ResNetFPN(ResNet(name="resnet", depth=depth)).fpn.state_dict()
    torch.manual_seed(0)
    theirs = torchvisions(depth, 2).state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in theirs)
