"""Files that the tests write in the publishers' formats; nothing in them is executed, and what does not fit is refused."""

import hashlib
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from tests.data.server import serve
from tests.helpers import msra_blobs, write_msra
from torch.nn.functional import conv2d
from torchvision.models import resnet50

from triplehead.detectors.backbone import build_backbone
from triplehead.detectors.dense import Normalize
from triplehead.engine import checkpoint, imagenet
from triplehead.errors import InputError
from triplehead.plan.options import ResNet

MSRA = ResNet(name="resnet", depth=50, weights="msra")
TORCHVISION = ResNet(name="resnet", depth=50, weights="torchvision")


@pytest.fixture(scope="module")
def blobs():
    return msra_blobs(50)


def write(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def caffe(blobs, images):
    """The network as Caffe2 runs it: BGR images of 0..255 less the mean, stride in the 1x1, scale and shift."""

    def block(x, name, norm, stride=1, padding=0, relu=True):
        x = conv2d(x, torch.from_numpy(blobs[f"{name}_w"]), stride=stride, padding=padding)
        x = x * torch.from_numpy(blobs[f"{norm}_s"]).view(-1, 1, 1) + torch.from_numpy(blobs[f"{norm}_b"]).view(
            -1, 1, 1
        )
        return x.relu() if relu else x

    bgr = images.flip(1) * 255 - torch.tensor([102.9801, 115.9465, 122.7717]).view(3, 1, 1)
    x = block(bgr, "conv1", "res_conv1_bn", 2, 3)
    x = torch.nn.functional.max_pool2d(x, 3, 2, 1)
    features = []
    for stage, count in ((2, 3), (3, 4), (4, 6), (5, 3)):
        for number in range(count):
            name, stride = f"res{stage}_{number}_branch", 2 if stage > 2 and number == 0 else 1
            shortcut = block(x, f"{name}1", f"{name}1_bn", stride, relu=False) if number == 0 else x
            y = block(x, f"{name}2a", f"{name}2a_bn", stride)
            y = block(y, f"{name}2b", f"{name}2b_bn", padding=1)
            x = (block(y, f"{name}2c", f"{name}2c_bn", relu=False) + shortcut).relu()
        features.append(x)
    return features[1:]


def test_msra_weights_give_the_features_of_the_network_that_they_come_from(blobs, tmp_path):
    """Channel order, mean, stride and every name, against convolutions written out by hand."""
    body = build_backbone(MSRA).body
    checkpoint.load_weights(body, imagenet.read_weights(MSRA, write(tmp_path / "R-50.pkl", blobs)), tmp_path)
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    normalize = Normalize(tuple(MSRA.pixels["mean"]), tuple(MSRA.pixels["std"]))
    found = list(body(normalize(list(images))).values())
    for ours, theirs in zip(found, caffe(blobs, images), strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_torchvision_weights_give_torchvisions_features(tmp_path):
    torch.manual_seed(0)
    model = resnet50(weights=None).eval()
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("running_mean", "bn3.weight")):
            value.uniform_(0, 0.2, generator=generator)
    torch.save(model.state_dict(), tmp_path / TORCHVISION.file)
    body = build_backbone(TORCHVISION).body
    checkpoint.load_weights(body, imagenet.read_weights(TORCHVISION, tmp_path / TORCHVISION.file), tmp_path)
    x = images = torch.rand(1, 3, 64, 96, generator=generator)
    for part in (model.conv1, model.bn1, model.relu, model.maxpool, model.layer1, model.layer2):
        x = part(x)
    with torch.no_grad():
        found = next(iter(body(images).values()))
    assert (found - x).abs().max() < 1e-5 * x.abs().max()


def test_the_stride_follows_the_weights():
    for options, expected in ((MSRA, ((2, 2), (1, 1))), (TORCHVISION, ((1, 1), (2, 2)))):
        first = build_backbone(options).body.layer3[0]
        assert (first.conv1.stride, first.conv2.stride) == expected
    counts = {sum(p.numel() for p in build_backbone(options).parameters()) for options in (MSRA, TORCHVISION)}
    assert counts == {27_323_584}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("wrapped", [False, True])
def test_every_pickle_of_arrays_is_read(blobs, tmp_path, protocol, wrapped):
    """Detectron wraps what it trained in `blobs`, beside momenta and a configuration."""
    content = OrderedDict(blobs)
    if wrapped:
        content = {"blobs": content | {"conv1_w_momentum": np.zeros(3, np.float32)}, "cfg": "NUM_GPUS: 8"}
    state = imagenet.read_weights(MSRA, write(tmp_path / "R-50.pkl", content, protocol))
    assert torch.equal(state["layer3.5.conv2.weight"], torch.from_numpy(blobs["res4_5_branch2b_w"]))


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("call", [(os.mkdir,), (exec, "1"), (getattr, "x", "upper"), (np.load, "x")])
def test_code_in_a_pickle_is_refused_before_it_runs(tmp_path, call, protocol):
    call = (*call, str(tmp_path / "executed")) if call == (os.mkdir,) else call
    path = write(tmp_path / "R-50.pkl", {"conv1_w": Evil(*call)}, protocol)
    with pytest.raises(InputError, match=r"R-50\.pkl: is no pickle of numpy arrays.*which no array needs"):
        imagenet.read_weights(MSRA, path)
    assert not (tmp_path / "executed").exists()


def test_code_in_a_torch_file_is_refused_before_it_runs(tmp_path):
    torch.save({"conv1.weight": Evil(os.mkdir, str(tmp_path / "executed"))}, tmp_path / TORCHVISION.file)
    with pytest.raises(InputError, match=r"is no torch file of tensors"):
        imagenet.read_weights(TORCHVISION, tmp_path / TORCHVISION.file)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"res3_0_branch2a_w": None}, r"lacks layer2\.0\.conv1\.weight"),
        ({"res3_0_branch2d_w": np.zeros(1, np.float32)}, "has unknown res3_0_branch2d_w"),
        ({"res2_00_branch2a_w": np.zeros(1, np.float32)}, "has unknown res2_00_branch2a_w"),
        ({"res6_0_branch2a_w": np.zeros(1, np.float32)}, "has unknown res6_0_branch2a_w"),
        ({"a\nb" * 1000: np.zeros(1, np.float32)}, r"has unknown a\\nba\\nb"),
        ({"res2_7_branch2a_w": np.zeros(1, np.float32)}, r"has unknown layer1\.7\.conv1\.weight"),
        ({"res5_2_branch2b_w": np.zeros((512, 512, 1, 1), np.float32)}, r"layer4\.2\.conv2\.weight has shape \[512, 512, 1, 1\], expected \[512, 512, 3, 3\]"),
        ({"conv1_w": np.full((64, 3, 7, 7), np.nan, np.float32)}, "conv1.weight holds something else than finite"),
        ({"conv1_w": "weights"}, "conv1_w is no array of numbers"),
        ({"conv1_w": np.array(["a"], object)}, "has the dtype 'O8', expected one of plain numbers"),
        ({"conv1_w": np.zeros((), np.float32)}, r"conv1\.weight has shape \[\]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error(blobs, tmp_path, change, message):
    content = {name: value for name, value in (blobs | change).items() if value is not None}
    with pytest.raises(InputError, match=message) as caught:
        imagenet.read_weights(MSRA, write(tmp_path / "R-50.pkl", content))
    assert "\n" not in str(caught.value)


def test_weights_of_another_depth_are_refused(tmp_path):
    path = write_msra(tmp_path, 101).rename(tmp_path / "R-50.pkl")
    with pytest.raises(InputError, match=r"R-50\.pkl: holds a ResNet-101, expected a ResNet-50"):
        imagenet.read_weights(MSRA, path)
    state = {key: value for key, value in resnet50(weights=None).state_dict().items() if "layer4" not in key}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth: lacks layer4\.0"):
        imagenet.read_weights(TORCHVISION, tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content", [{1: torch.zeros(1)}, {"layer3.0": torch.zeros(1), 2: torch.zeros(1)}, {"a": 1}, [1]]
)
def test_a_torch_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth: holds no mapping of names to tensors"):
        imagenet.read_weights(TORCHVISION, tmp_path / "x.pth")


@pytest.mark.parametrize("content", [b"", b"\x80\x02}", b"not a pickle", pickle.dumps([1]), pickle.dumps({1: 2})])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    for options in (MSRA, TORCHVISION):
        with pytest.raises(InputError, match=r"x: (is no|holds no)"):
            imagenet.read_weights(options, tmp_path / "x")


@pytest.mark.parametrize("kept", [0, 1, 20_000, 60_000, -1])
def test_a_torch_file_that_was_cut_short_is_called_damaged(tmp_path, kept):
    path = tmp_path / "resnet50-0676ba61.pth"
    torch.save({f"weight {number}": torch.zeros(50, 50) for number in range(20)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"\.pth: is no torch file of tensors, or damaged$"):
        imagenet.read_weights(TORCHVISION, path)


def test_a_missing_file_is_named_with_its_address(tmp_path):
    with pytest.raises(
        InputError, match=r"R-50\.pkl: no such file; get https://\S+/MSRA/R-50\.pkl, or set download_weights"
    ):
        imagenet.import_weights(MSRA, tmp_path, tmp_path / "out.pt", "resnet50-msra")
    with pytest.raises(InputError, match=r"weights_root: is not set, expected the folder that holds R-50\.pkl"):
        imagenet.import_weights(MSRA, None, tmp_path / "out.pt", "resnet50-msra")
    assert not (tmp_path / "out.pt").exists()


def test_a_download_is_checked_against_its_published_checksum_and_goes_on(tmp_path, monkeypatch):
    torch.save(resnet50(weights=None).state_dict(), tmp_path / "weights")
    content = (tmp_path / "weights").read_bytes()
    digest, root = hashlib.sha256(content).hexdigest(), tmp_path / "root"
    with serve() as server:
        monkeypatch.setattr(imagenet, "ADDRESSES", {"torchvision": f"{server.address}/"})
        server.files = {f"/{TORCHVISION.file}": content}
        with pytest.raises(InputError, match=rf"has SHA-256 {digest[:8]}\.\.\., expected 0676ba61\.\.\.; removed"):
            imagenet.import_weights(TORCHVISION, root, tmp_path / "out.pt", "x", download=True)
        assert not list(root.iterdir())

        name = f"resnet50-{digest[:8]}.pth"
        monkeypatch.setattr(ResNet, "file", name)
        server.files, server.cuts = {f"/{name}": content}, [1 << 20]
        imagenet.import_weights(TORCHVISION, root, tmp_path / "out.pt", "x", download=True)
        assert server.requests[-1][1].startswith("bytes=")
        assert [path.name for path in root.iterdir()] == [name]
    assert checkpoint.load(tmp_path / "out.pt", "x")["file"] == digest


@pytest.fixture
def fetched(blobs, tmp_path, monkeypatch):
    """Fetch MSRA's weights from a server whose file beside them holds `said`, with their true sum in it, if any."""

    def call(said: bytes | None) -> None:
        content = write(tmp_path / "made.pkl", blobs).read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest().encode()
        with serve() as server:
            monkeypatch.setattr(imagenet, "ADDRESSES", {"msra": f"{server.address}/"})
            server.files = {"/R-50.pkl": content}
            if said is not None:
                server.files["/R-50.pkl.md5sum"] = said.replace(b"SUM", md5)
            imagenet.import_weights(MSRA, tmp_path / "root", tmp_path / "out.pt", "x", download=True)

    return call


@pytest.mark.parametrize("said", [b"SUM", b"SUM  R-50.pkl\n"])
def test_msra_weights_are_compared_with_the_sum_beside_them(fetched, said, tmp_path, capsys):
    fetched(said)
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["R-50.pkl"] and (tmp_path / "out.pt").exists()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"0" * 32, r"R-50\.pkl: has MD5 [0-9a-f]{32}, expected 0{32}; removed"),
        (b"<html>no</html>", r"R-50\.pkl\.md5sum: says '<html>no</html>', expected an MD5 sum"),
        (b"SUMa", r"R-50\.pkl\.md5sum: says '[0-9a-f]{32}a', expected an MD5 sum"),
    ],
)
def test_msra_weights_of_another_sum_are_refused(fetched, said, problem, tmp_path):
    with pytest.raises(InputError, match=problem):
        fetched(said)
    assert not list((tmp_path / "root").iterdir()) and not (tmp_path / "out.pt").exists()


def test_where_no_sum_is_published_any_more_a_line_says_so(fetched, tmp_path, capsys):
    fetched(None)
    assert (tmp_path / "out.pt").exists()
    said = capsys.readouterr().err
    assert "R-50.pkl.md5sum: the server answers 404" in said and said.endswith(
        "R-50.pkl is not compared with a checksum\n"
    )
