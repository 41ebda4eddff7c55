"""Weights both ways: the same detections on real photographs."""

import pickle
import zipfile

import pytest
import torch
from tests.detectron2 import theirs

from triplehead.detectors.build import count_parameters
from triplehead.detectron2.contract import Contract
from triplehead.detectron2.steptime import fcos
from triplehead.detectron2.weights import load_detectron2, read, to_theirs, write
from triplehead.errors import InputError

BUILD = {
    "fcos": fcos,
    "retinanet": lambda: theirs.from_yaml("RetinaNet"),
    "faster_rcnn": lambda: theirs.from_yaml("GeneralizedRCNN"),
}


@pytest.fixture(scope="module", params=list(BUILD))
def pair(request, tmp_path_factory):
    """(kind, detectron2's own detector, ours with its weights from a file)."""
    model = theirs.lively(BUILD[request.param]()).eval()
    file = tmp_path_factory.mktemp("weights") / "model_final.pth"
    torch.save({"model": model.state_dict(), "iteration": 7}, file)
    return request.param, model, load_detectron2(str(file), request.param)


@pytest.mark.slow
@torch.no_grad()
def test_same_detections(pair, photographs):
    _, model, ours = pair
    for image in photographs:
        given = [{"image": image, "height": 300, "width": 500}]
        expected, found = (each(given)[0]["instances"] for each in (model, Contract(ours, 1).eval()))
        assert len(expected) > 20 and len(found) == len(expected)
        assert torch.equal(found.pred_classes, expected.pred_classes)
        assert torch.allclose(found.pred_boxes.tensor, expected.pred_boxes.tensor, rtol=0, atol=1e-3)
        assert torch.allclose(found.scores, expected.scores, rtol=0, atol=1e-5)
        assert found.image_size == (300, 500) and len(set(expected.pred_classes.tolist())) > 1


def test_back_again_is_the_same(pair, tmp_path):
    _, model, ours = pair
    write(ours, tmp_path / "model.pth")
    back, expected = read(str(tmp_path / "model.pth")), model.state_dict()
    constants = {"pixel_mean", "pixel_std"}
    assert back.keys() >= {name for name in expected if "cell_anchors" not in name} - constants
    assert all(torch.equal(back[name], expected[name]) for name in back)
    model.load_state_dict(back, strict=False)


def test_parameters(pair):
    """What the counts differ by: FCOS's five Scales; the background's boxes of Faster R-CNN, 4 x (1024 + 1)."""
    kind, model, ours = pair
    own, found = sum(each.numel() for each in model.parameters()), count_parameters(ours)["total"]
    expected = {
        "fcos": (32_244_245, 32_244_245 + 5),
        "retinanet": (37_915_572, 37_915_572),
        "faster_rcnn": (41_699_936, 41_699_936 + 4 * (1024 + 1)),
    }
    assert (own, found) == expected[kind]


def test_model_zoo_format(pair, tmp_path):
    """A pickle of numpy arrays, with what follows from its configuration."""
    kind, model, ours = pair
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    arrays["proposal_generator.anchor_generator.cell_anchors.0"] = torch.zeros(3, 4).numpy()
    file = tmp_path / "model_final_59f53c.pkl"
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=2))
    loaded = load_detectron2(str(file), kind)
    assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), ours.state_dict().values(), strict=True))


def test_names_of_the_model_zoo_become_addresses(monkeypatch):
    from triplehead.detectron2 import weights

    address = weights._address("COCO-Detection/retinanet_R_50_FPN_1x.yaml")
    assert address.startswith("https://dl.fbaipublicfiles.com/detectron2/") and address.endswith(".pkl")
    with pytest.raises(InputError, match="is no configuration of which detectron2's model zoo has weights"):
        weights._address("COCO-Detection/nothing.yaml")


def test_what_would_fill_the_memory_is_one_line(tmp_path):
    torch.save({"model": {"a": torch.zeros(10)}}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="has compressed records"):
        read(str(tmp_path / "x.pth"))
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": {"a": [[1.0]]}}, protocol=2))
    with pytest.raises(InputError, match="a is no array of numbers"):
        read(str(tmp_path / "x.pkl"))


def test_what_does_not_fit_is_one_line(pair, tmp_path):
    kind, model, ours = pair
    state = model.state_dict()
    for change, problem in (
        (
            lambda s: s.pop("backbone.fpn_output3.weight" if kind != "faster_rcnn" else "backbone.fpn_output2.weight"),
            "is missing",
        ),
        (lambda s: s.update({"head.more": torch.zeros(1)}), "which this detector has no place for"),
        (lambda s: s.update({"backbone.bottom_up.stem.conv1.weight": torch.zeros(1, 3, 7, 7)}), "is of shape"),
        (
            lambda s: s.update({"backbone.bottom_up.stem.conv1.weight": torch.zeros(1).half().expand(1 << 40)}),
            "is of shape",
        ),
    ):
        spoilt = dict(state)
        change(spoilt)
        torch.save({"model": spoilt}, tmp_path / "x.pth")
        with pytest.raises(InputError, match=problem):
            load_detectron2(str(tmp_path / "x.pth"), kind)
    (tmp_path / "x.pth").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="is no checkpoint that can be read"):
        read(str(tmp_path / "x.pth"))
    if kind == "fcos":
        ours.head.scale.factors[1].data.fill_(2.0)
        with pytest.raises(InputError, match="differs by level"):
            to_theirs(ours)
        for factor in ours.head.scale.factors:
            factor.data.fill_(2.0)
        assert torch.equal(to_theirs(ours)["head.bbox_pred.weight"], 2 * state["head.bbox_pred.weight"])
        for factor in ours.head.scale.factors:
            factor.data.fill_(1.0)
