"""DyHead's three attentions and their order against numpy, written from the published description."""

import numpy as np
import pytest
import torch
from torchvision.ops import deform_conv2d

from triplehead.detectors.boxes import make_points
from triplehead.detectors.heads.dyhead import DyBlock, DyHead, ScaleAttention, TaskAttention
from triplehead.plan.options import DyHead as Options


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def randomise(module: torch.nn.Module) -> None:
    """Weights that leave no factor at its start."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5, generator=generator)


def numpy_of(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(x + 3, 0), 6) / 6


def scale_weight(x: np.ndarray, w: dict[str, np.ndarray], prefix: str = "") -> np.ndarray:
    """hsigmoid(relu(W mean(x) + b)): one number an image. x: [B, C, H, W]."""
    mean = x.mean(axis=(2, 3))
    return hard_sigmoid(np.maximum(mean @ w[f"{prefix}conv.weight"][0, :, 0, 0] + w[f"{prefix}conv.bias"][0], 0))


def dynamic_relu(x: np.ndarray, w: dict[str, np.ndarray], prefix: str = "") -> np.ndarray:
    """max(a1 x + b1, a2 x + b2), channel by channel; a = 2 (v - 1/2) + (1, 0), b = v - 1/2."""
    out = np.empty_like(x)
    batch, channels = x.shape[:2]
    for image in range(batch):
        mean = x[image].mean(axis=(1, 2))
        hidden = np.maximum(w[f"{prefix}squeeze.weight"] @ mean + w[f"{prefix}squeeze.bias"], 0)
        v = hard_sigmoid(w[f"{prefix}excite.weight"] @ hidden + w[f"{prefix}excite.bias"])
        for c in range(channels):
            a1, b1 = 2 * (v[c] - 0.5) + 1, v[channels + c] - 0.5
            a2, b2 = 2 * (v[2 * channels + c] - 0.5), v[3 * channels + c] - 0.5
            out[image, c] = np.maximum(a1 * x[image, c] + b1, a2 * x[image, c] + b2)
    return out


def upsample(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, corners on corners."""
    for axis, size in ((2, height), (3, width)):
        old = x.shape[axis]
        at = np.linspace(0, old - 1, size) if size > 1 else np.zeros(1)
        low = np.minimum(np.floor(at).astype(int), max(old - 2, 0))
        share = (at - low).reshape([-1 if i == axis else 1 for i in range(4)])
        high = np.minimum(low + 1, old - 1)
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x


def group_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, groups: int = 16) -> np.ndarray:
    parts = x.reshape(len(x), groups, -1)
    parts = (parts - parts.mean(axis=2, keepdims=True)) / np.sqrt(parts.var(axis=2, keepdims=True) + 1e-5)
    return parts.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]


def test_scale_attention():
    module, x = ScaleAttention(6), draw(3, 6, 4, 5) + 1
    randomise(module)
    want = scale_weight(x.double().numpy(), numpy_of(module))
    assert 0 < want.min() < want.max() <= 1
    np.testing.assert_allclose(module(x).detach().flatten().numpy(), want, rtol=1e-6)


def test_task_attention():
    module, x = TaskAttention(8), draw(2, 8, 4, 5) * 2
    randomise(module)
    assert module.squeeze.out_features == 2
    np.testing.assert_allclose(
        module(x).detach().numpy(), dynamic_relu(x.double().numpy(), numpy_of(module)), atol=2e-6
    )


@pytest.mark.parametrize("sizes", [[(8, 12), (4, 6), (2, 3)], [(7, 9), (4, 5), (2, 3)], [(3, 2), (2, 1), (1, 1)]])
def test_a_block_level_by_level(sizes):
    """All of a block: each level from itself, the finer one at stride 2 and the coarser one, upsampled first."""
    channels = 16
    block = DyBlock(channels, "group", 3)
    randomise(block)
    features = [draw(2, channels, *size, seed=level) for level, size in enumerate(sizes)]
    w = numpy_of(block)

    def convolve(x: np.ndarray, name: str, learned: torch.Tensor, stride: int = 1) -> np.ndarray:
        out = deform_conv2d(
            torch.from_numpy(x), learned[:, :18].contiguous(), *(torch.from_numpy(w[f"{name}.{part}"]) for part in ("weight", "bias")),
            stride=stride, padding=1, mask=learned[:, 18:].sigmoid(),
        )  # fmt: skip
        return group_norm(out.numpy(), w[f"{name}.norm.weight"], w[f"{name}.norm.bias"])

    got = block(features)
    for level, size in enumerate(sizes):
        x = features[level].double()
        learned = torch.nn.functional.conv2d(
            x, torch.from_numpy(w["offset.weight"]), torch.from_numpy(w["offset.bias"]), padding=1
        )
        maps = [convolve(x.numpy(), "same", learned)]
        if level > 0:
            maps.append(convolve(features[level - 1].double().numpy(), "finer", learned, stride=2))
        if level < 2:
            maps.append(convolve(upsample(features[level + 1].double().numpy(), *size), "coarser", learned))
        weighted = [scale_weight(each, w, "scale.")[:, None, None, None] * each for each in maps]
        want = dynamic_relu(sum(weighted) / len(weighted), w, "task.")
        assert got[level].shape == features[level].shape
        assert np.abs(got[level].detach().numpy() - want).max() / np.abs(want).max() < 1e-4


def test_the_coarser_level_is_upsampled_before_it_is_convolved():
    """A coarse map of one cell is flat once upsampled: inside, each cell reads it nine times whatever the offsets'
    size; a convolution first would see one tap of nine, the rest being outside."""
    block = DyBlock(32, "group", 2)
    block.coarser.norm = torch.nn.Identity()
    seen = []
    block.coarser.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        block.coarser.weight.fill_(1.0)
    block([torch.zeros(1, 32, 5, 5), torch.ones(1, 32, 1, 1)])
    torch.testing.assert_close(seen[0][0, :, 1:-1, 1:-1], torch.full((32, 3, 3), 9 * 32 * 0.5))  # masks start at 1/2


def test_towers_are_replaced_or_kept():
    strides = [4, 8]
    points = make_points([(4, 4), (2, 2)], strides)
    features = [draw(1, 32, 4, 4), draw(1, 32, 2, 2)]
    for convs in (0, 1):
        head = DyHead(Options(num_blocks=2, num_convs=convs), 32, 3, strides)
        assert len(head.cls_tower.blocks) == len(head.reg_tower.blocks) == convs
        assert head(features, points).logits.shape == (1, 20, 3)
