"""Eq. (7): the nine taps of the star convolution lie on the coarse box."""

import pytest
import torch
from torchvision.ops import deform_conv2d

from triplehead.detectors.heads.box_taps import BoxTaps
from triplehead.detectors.heads.deform import taps_to_offsets
from triplehead.detectors.heads.star import StarConv, star_taps, star_vectors


def coordinate_ramps(height: int, width: int) -> torch.Tensor:
    """Features whose value is their own position: channel 0 is y, channel 1 is x; [1, 2, H, W]."""
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([y, x])[None]


def test_taps_read_the_corners_sides_and_centre_of_the_box():
    """A one-hot kernel reads one tap; on coordinate ramps the reading is the tap's place."""
    height, width = 9, 11
    ramps = coordinate_ramps(height, width)
    ltrb = torch.rand(1, 4, height, width, generator=torch.Generator().manual_seed(0)) * 1.5
    left, top, right, bottom = ltrb[0]
    inside = (slice(2, -2), slice(2, -2))  # where no tap leaves the map
    for row, dy in enumerate((-top, torch.zeros_like(top), bottom)):
        for column, dx in enumerate((-left, torch.zeros_like(left), right)):
            conv = StarConv(2)
            with torch.no_grad():
                conv.weight.zero_()
                conv.weight[0, 0, row, column] = 1
                conv.weight[1, 1, row, column] = 1
            y, x = conv([ramps], star_taps([ltrb]))[0][0].detach()
            torch.testing.assert_close(y[inside], (ramps[0, 0] + dy)[inside])
            torch.testing.assert_close(x[inside], (ramps[0, 1] + dx)[inside])


@pytest.mark.parametrize(
    "taps_of", [star_taps, lambda boxes: [star_vectors(each) for each in boxes]], ids=["fixed", "moving"]
)
def test_equals_torchvisions_deformable_convolution(taps_of):
    """Values and gradients, taps outside the map included; largest difference stated in docs/fidelity.md."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(7, 10), (4, 5), (1, 1)]  # of three levels
    maps = [torch.randn(2, 8, *size, generator=generator, requires_grad=True) for size in sizes]
    ltrb = [torch.rand(2, 4, *size, generator=generator) * 6 for size in sizes]
    conv = StarConv(8)
    with torch.no_grad():
        conv.weight.normal_(generator=generator)
    ours = conv(maps, taps_of(ltrb))
    grads = torch.autograd.grad(sum(x.square().sum() for x in ours), [*maps, conv.weight])
    theirs = [
        deform_conv2d(x, taps_to_offsets(star_vectors(box)), conv.weight, padding=1).relu()
        for x, box in zip(maps, ltrb, strict=True)
    ]
    expected = torch.autograd.grad(sum(x.square().sum() for x in theirs), [*maps, conv.weight])
    for got, want in zip([*ours, *grads], [*theirs, *expected], strict=True):
        assert (got - want).abs().max() / want.abs().max() < 5e-6


def test_a_norm_over_the_batch_wants_all_cells():
    assert StarConv(4).cell_by_cell
    assert not StarConv(4, "batch").cell_by_cell
    assert StarConv(4, "batch").eval().cell_by_cell


def test_box_of_one_cell_is_an_ordinary_convolution():
    x = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    conv = StarConv(4)
    (ours,) = conv([x], star_taps([torch.ones(1, 4, 6, 6)]))
    torch.testing.assert_close(ours, torch.nn.functional.conv2d(x, conv.weight, padding=1).relu())
    assert torch.equal(taps_to_offsets(star_vectors(torch.ones(1, 4, 6, 6))), torch.zeros(1, 18, 6, 6))


def test_map_of_one_cell():
    (read,) = StarConv(4)([torch.ones(1, 4, 1, 1)], star_taps([torch.ones(1, 4, 1, 1)]))
    assert read.isfinite().all()


def test_taps_are_fixed_unless_a_gradient_moves_them():
    ltrb = torch.ones(1, 4, 3, 3)
    assert isinstance(star_taps([ltrb]), BoxTaps)
    assert isinstance(star_taps([ltrb, ltrb.clone().requires_grad_()]), list)


def test_places_that_are_no_number_or_far_away_read_nothing():
    ltrb = torch.tensor([float("nan"), float("inf"), 1e30, 1e9]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    conv = StarConv(4)
    with torch.no_grad():
        conv.weight.fill_(1.0)
    (read,) = conv([torch.ones(1, 4, 2, 2)], star_taps([ltrb]))
    torch.testing.assert_close(read, torch.full((1, 4, 2, 2), 4.0))  # the centre of the box alone
