"""ImageNet weights of ResNet-50/101 from the files that their publishers give out; nothing in them is executed.

torchvision's are torch files. MSRA's, from which Detectron, maskrcnn-benchmark and FCOS start, are pickled numpy arrays
under Caffe2's names; their first convolution reads BGR, and their BatchNorm is one scale and one shift.
"""

import hashlib
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from triplehead.data.download import Absent, fetch
from triplehead.detectors.backbone import build_backbone
from triplehead.engine import array_pickles, checkpoint
from triplehead.errors import InputError, shown
from triplehead.needs import ADDRESSES, weights_file
from triplehead.plan.options import ResNet

EPS = 1e-5  # of torchvision's FrozenBatchNorm2d


def import_weights(options: ResNet, root: Path | None, out: Path, name: str, download: bool = False) -> None:
    """Write the weights of `options` below `root` as a checkpoint of the body called `name` to `out`.

    download: fetch a file that is not there. Raises InputError where it cannot be had, read or does not fit.
    """
    path = weights_file(options, root, download)
    if not path.is_file():
        _fetch(options, path)
    checkpoint.save(out, name, body=read_weights(options, path), file=_digest(path))


def read_weights(options: ResNet, path: Path) -> dict[str, Tensor]:
    """The body's state that a publisher's file holds: float32, for RGB images.

    Raises InputError for a file of another depth or format, missing, unknown or wrongly shaped entries.
    """
    expected = build_backbone(options.model_copy(update={"weights": "none"})).body.state_dict()
    found = _read_msra(path) if options.weights == "msra" else _read_torchvision(path)
    if (depth := _depth(found)) != options.depth:
        held = f"a ResNet-{depth}" if depth else "no ResNet-50 or 101"
        raise InputError(path, f"holds {held}, expected a ResNet-{options.depth}")
    for problem, names in (("lacks", expected.keys() - found.keys()), ("has unknown", found.keys() - expected.keys())):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(path, f"{problem} {shown(sorted(names)[0])[1:-1]}{more}")
    for key, wanted in expected.items():
        value = found[key]
        if value.shape != wanted.shape:
            raise InputError(path, f"{key} has shape {list(value.shape)}, expected {list(wanted.shape)}")
        if not value.is_floating_point() or not value.isfinite().all():
            raise InputError(path, f"{key} holds something else than finite numbers")
    return {key: found[key].float().contiguous() for key in expected}


def msra_key(name: str) -> str | None:
    """A Caffe2 name in torchvision's words; None for what a body has no use for: the classifier, momenta and the bias
    of the first convolution, which the public code bases leave out as well.

    conv1_w, res_conv1_bn_s, res3_0_branch2a_w, res3_0_branch1_bn_b -> conv1.weight, bn1.weight,
    layer2.0.conv1.weight, layer2.0.downsample.1.bias. Raises KeyError for other names.
    """
    if name.endswith("_momentum") or name in ("fc1000_w", "fc1000_b", "pred_w", "pred_b", "conv1_b", "lr"):
        return None
    if name == "conv1_w":
        return "conv1.weight"
    kinds = {"s": "weight", "b": "bias"}
    if match := re.fullmatch(r"res_conv1_bn_([sb])", name):
        return f"bn1.{kinds[match[1]]}"
    match = re.fullmatch(r"res([2-5])_(0|[1-9]\d*)_branch(1|2[abc])_(w|bn_[sb])", name)
    if match is None:
        raise KeyError(name)
    stage, block, branch, kind = match.groups()
    block = f"layer{int(stage) - 1}.{int(block)}"
    if branch == "1":
        return f"{block}.downsample.0.weight" if kind == "w" else f"{block}.downsample.1.{kinds[kind[-1]]}"
    number = "abc".index(branch[1]) + 1
    return f"{block}.conv{number}.weight" if kind == "w" else f"{block}.bn{number}.{kinds[kind[-1]]}"


def _read_msra(path: Path) -> dict[str, Tensor]:
    try:
        with open(path, "rb") as file:
            content = array_pickles.load(file)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    except pickle.UnpicklingError as error:
        raise InputError(path, f"is no pickle of numpy arrays, or damaged ({error})") from None
    blobs = content.get("blobs", content) if isinstance(content, dict) else None
    if not isinstance(blobs, dict) or not all(isinstance(name, str) for name in blobs):
        raise InputError(path, "holds no mapping of names to arrays")
    found: dict[str, Tensor] = {}
    for name, value in blobs.items():
        try:
            key = msra_key(name)
        except KeyError:
            raise InputError(path, f"has unknown {shown(name)[1:-1]}") from None
        if key is None:
            continue
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            raise InputError(path, f"{name} is no array of numbers")
        found[key] = torch.from_numpy(value.astype(np.float32))
    for key in [key for key in found if re.search(r"(bn\d|downsample\.1)\.weight$", key)]:
        stem = key.removesuffix("weight")
        # Scale and shift are all there is: statistics under which FrozenBatchNorm2d divides by one.
        found[f"{stem}running_mean"] = torch.zeros_like(found[key])
        found[f"{stem}running_var"] = torch.full_like(found[key], 1 - EPS)
    if "conv1.weight" in found and found["conv1.weight"].dim() == 4:
        found["conv1.weight"] = found["conv1.weight"].flip(1)  # BGR -> RGB: our images are RGB
    return found


def _read_torchvision(path: Path) -> dict[str, Tensor]:
    content = checkpoint.read(path, "is no torch file of tensors, or damaged")
    pairs = content.items() if isinstance(content, dict) else [(None, None)]
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in pairs):
        raise InputError(path, "holds no mapping of names to tensors")
    unused = ("fc.weight", "fc.bias")
    return {
        key: value for key, value in content.items() if key not in unused and not key.endswith("num_batches_tracked")
    }


def _depth(state: dict[str, Tensor]) -> int | None:
    """By the number of blocks in the fourth stage (layer3)."""
    blocks = {key.split(".")[1] for key in state if key.startswith("layer3.")}
    return {6: 50, 23: 101}.get(len(blocks))


def _fetch(options: ResNet, path: Path) -> None:
    """Goes on where it was stopped. Raises InputError where it cannot be had, or has another checksum than its
    publisher says: torchvision in the file's name, Detectron in a file beside it."""
    url = ADDRESSES[options.weights] + options.file
    unchecked = path.with_name(f"{path.name}.unchecked")
    otherwise = f"without a connection: put it at {path} by hand"
    md5 = _md5(f"{url}.md5sum", path, otherwise) if options.weights == "msra" else None
    fetch(url, unchecked, md5=md5, otherwise=otherwise)
    published = re.search(r"-([0-9a-f]{8,})\.pth$", url)
    if published and not (found := _digest(unchecked)).startswith(published[1]):
        unchecked.unlink()
        raise InputError(url, f"has SHA-256 {found[: len(published[1])]}..., expected {published[1]}...; removed")
    os.replace(unchecked, path)


def _md5(url: str, path: Path, otherwise: str) -> str | None:
    """What Detectron's own loader compares its files with; None, and a line, where the server has it no more."""
    beside = path.with_name(f"{path.name}.md5sum")
    try:
        fetch(url, beside, otherwise=otherwise)
        with open(beside, "rb") as file:
            said = file.read(200).decode("ascii", "replace")
    except Absent as error:
        print(f"warning: {error}; {path.name} is not compared with a checksum", file=sys.stderr, flush=True)
        return None
    finally:
        beside.unlink(missing_ok=True)
    if not (found := re.match(r"([0-9a-f]{32})(\s|$)", said)):
        raise InputError(url, f"says {shown(said)}, expected an MD5 sum")
    return found[1]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
