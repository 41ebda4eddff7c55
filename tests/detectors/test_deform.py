"""The deformable convolution by sampling against torchvision's."""

import pytest
import torch
from torchvision.ops import deform_conv2d

from triplehead.detectors.heads.deform import deform_conv, offsets_to_taps, taps_to_offsets


@pytest.mark.parametrize(("stride", "size", "out"), [(1, (7, 10), (7, 10)), (2, (7, 10), (4, 5)), (2, (1, 3), (1, 2))])
def test_modulated_equals_torchvisions(stride, size, out):
    """Values and all gradients, taps outside the map included; largest difference stated in docs/fidelity.md."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, requires_grad=True)

    x, weight, bias = draw(2, 8, *size), draw(6, 8, 3, 3), draw(6)
    offsets, mask = draw(2, 18, *out), draw(2, 9, *out)
    upstream = torch.randn(2, 6, *out, generator=generator)
    inputs = [x, weight, bias, offsets, mask]
    ours = deform_conv(x, offsets_to_taps(offsets), weight, bias, mask, stride)
    theirs = deform_conv2d(x, offsets, weight, bias, stride=stride, padding=1, mask=mask)
    assert ours.shape == theirs.shape
    grads, expected = (torch.autograd.grad((y * upstream).sum(), inputs) for y in (ours, theirs))
    for got, want in zip([ours, *grads], [theirs, *expected], strict=True):
        assert (got - want).abs().max() / want.abs().max() < 5e-6


def test_zero_offsets_are_an_ordinary_convolution():
    generator = torch.Generator().manual_seed(4)
    x, weight = torch.randn(1, 4, 6, 5, generator=generator), torch.randn(3, 4, 3, 3, generator=generator)
    for stride, size in ((1, (6, 5)), (2, (3, 3))):
        ours = deform_conv(x, offsets_to_taps(torch.zeros(1, 18, *size)), weight, stride=stride)
        torch.testing.assert_close(ours, torch.nn.functional.conv2d(x, weight, stride=stride, padding=1))


def test_offsets_and_taps_are_two_names_of_the_same_places():
    offsets = torch.randn(2, 18, 3, 4, generator=torch.Generator().manual_seed(5))
    taps = offsets_to_taps(offsets)
    assert taps[0, 2, :, 0, 0].tolist() == [offsets[0, 4, 0, 0] - 1, offsets[0, 5, 0, 0] + 1]  # top right: (-1, 1)
    torch.testing.assert_close(taps_to_offsets(taps), offsets)
