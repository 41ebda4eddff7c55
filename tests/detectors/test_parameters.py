"""Tables 4 and 8: parameters, exact, with the sum explained."""

from pathlib import Path

import pytest

from triplehead.detectors.build import build_detector, count_parameters
from triplehead.plan.plan import paper_specs
from triplehead.plan.runs import RunSpec

CONV = 256 * 256 * 9 + 256  # 3x3 convolution with bias
BLOCK = CONV + 2 * 256  # and GroupNorm
STAR = 256 * 256 * 9  # deformable convolution: no bias, no norm
RESNET50 = 23_454_912  # BatchNorm is frozen: buffers, not parameters
FPN = (512 + 1024 + 2048) * 256 + 3 * 256 + 3 * CONV + 2 * CONV  # laterals, outputs, P6 and P7


def output(channels: int) -> int:
    return 256 * 9 * channels + channels


@pytest.fixture(scope="module")
def counts() -> dict[str, dict[str, int]]:
    names = ("FCOS", "Faster R-CNN", "Ours")
    specs = paper_specs("table4")
    return {name: count_parameters(build_detector(spec)) for name, spec in zip(names, specs, strict=True)}


def test_fcos(counts):
    towers, scales = 8 * BLOCK, 5
    assert counts["FCOS"]["total"] == RESNET50 + FPN + towers + output(80) + output(4) + output(1) + scales
    assert counts["FCOS"]["total"] == 32_244_250


def test_ours(counts):
    blocks, outputs, scales = (4 + 3 + 3) * BLOCK, output(80) + 2 * output(4) + output(1), 10
    assert counts["Ours"]["total"] == RESNET50 + FPN + blocks + 2 * STAR + outputs + scales
    assert counts["Ours"]["total"] == 34_614_307


def test_faster_rcnn(counts):
    fpn = (256 + 512 + 1024 + 2048) * 256 + 4 * 256 + 4 * CONV
    rpn = CONV + (256 * 3 + 3) + (256 * 12 + 12)
    box_head = 256 * 7 * 7 * 1024 + 1024 + 1024 * 1024 + 1024
    predictor = 1024 * 81 + 81 + 1024 * 81 * 4 + 81 * 4
    assert counts["Faster R-CNN"]["total"] == RESNET50 + fpn + rpn + box_head + predictor
    assert counts["Faster R-CNN"]["total"] == 41_704_036


def test_resnet101():
    specs = [spec.model_dump(mode="json") for spec in paper_specs("table4")]
    for spec, expected in ((specs[0], 51_184_154), (specs[2], 53_554_211)):
        spec["detector"]["backbone"]["depth"] = 101
        model = build_detector(type(paper_specs("table4")[0]).model_validate(spec, strict=False))
        assert count_parameters(model)["total"] == expected


@pytest.fixture
def paper_spec(experiments):
    """The spec of a detector file at the paper scale, whether or not a table counts it."""

    def spec(detector: str) -> RunSpec:
        row = f"{{label: x, spec: {{detector: {detector}}}}}"
        text = f"kind: parameters\ntitle: x\nsection: x\nmetrics: [parameters]\nrows: [{row}]\n"
        (Path(experiments) / "table99.yaml").write_text(text)
        return paper_specs("table99", experiments)[0]

    return spec


def test_atss_has_as_many_as_fcos(paper_spec):
    """One anchor a point: the same outputs. Centerness on the other tower changes nothing."""
    assert count_parameters(build_detector(paper_spec("atss")))["total"] == 32_244_250


@pytest.mark.parametrize(("classes", "expected"), [(80, 37_915_572), (20, 36_670_872), (10, 36_463_422)])
def test_retinanet(paper_spec, classes, expected):
    """The count of maskrcnn-benchmark (USE_C5), on which FCOS and ATSS build, and of Detectron2.

    P6 is convolved from C5 (2,048 channels). torchvision's default takes P5: 33,786,804 with 80 classes.
    """
    model = build_detector(paper_spec("retinanet").model_copy(update={"num_classes": classes}))
    p6_from_c5 = 2048 * 9 * 256 + 256
    fpn = FPN - CONV + p6_from_c5
    towers, anchors = 8 * CONV, 9
    total = RESNET50 + fpn + towers + output(classes * anchors) + output(4 * anchors)
    assert count_parameters(model)["total"] == total == expected
    from_p5 = total - p6_from_c5 + CONV
    assert classes != 80 or from_p5 == 33_786_804


@pytest.fixture(scope="module")
def heads() -> dict[str, dict[str, int]]:
    names = ("BorderDet", "DyHead", "Ours")
    specs = paper_specs("table8")
    return {name: count_parameters(build_detector(spec)) for name, spec in zip(names, specs, strict=True)}


def test_border(heads):
    def branch(width: int) -> int:
        """1x1 convolutions with bias: point, the four sides, and their fusion."""
        return (256 + 1) * width + (256 + 1) * 4 * width + (5 * width + 1) * 256

    border = branch(256) + branch(128) + (256 + 1) * 80 + (256 + 1) * 4
    assert border == 1_007_060
    assert heads["BorderDet"]["total"] == 32_244_250 + border == 33_251_310


def test_dyhead(heads):
    modulated = CONV + 2 * 256  # with GroupNorm
    offsets, scale = 256 * 9 * 27 + 27, 256 + 1
    task = (256 * 64 + 64) + (64 * 4 * 256 + 4 * 256)
    block = 3 * modulated + offsets + scale + task
    assert block == 1_917_276
    outputs, scales = output(80) + output(4) + output(1), 5
    assert heads["DyHead"]["total"] == RESNET50 + FPN + 6 * block + outputs + scales == 39_023_170


def test_ours_of_table_8_is_the_same_head(heads):
    assert heads["Ours"]["total"] == 34_614_307
