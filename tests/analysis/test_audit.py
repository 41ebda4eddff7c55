"""The audit: outcomes follow from the published numbers, and change with them."""

import pytest
import yaml

from triplehead.analysis.audit import findings
from triplehead.analysis.audit.equations import faster_rcnn_parameters, fcos_parameters
from triplehead.errors import InputError
from triplehead.plan.experiments import Experiments
from triplehead.plan.plan import load_plan


def found(folder=None) -> dict:
    return {finding.id: finding for finding in (findings(folder) if folder else findings())}


def publish(experiments, exhibit: str, label: str, **numbers) -> None:
    """Change what the paper prints in a row; `ticks` too."""
    file = experiments / f"{exhibit}.yaml"
    document = yaml.safe_load(file.read_text())
    row = next(row for row in document["rows"] if row["label"] == label)
    row["ticks"] = numbers.pop("ticks", row.get("ticks", {}))
    row["published"] |= numbers
    file.write_text(yaml.safe_dump(document, allow_unicode=True))


def test_what_adds_up_and_what_does_not():
    """By hand from the paper's tables."""
    outcomes = {name: finding.outcome for name, finding in found().items()}
    agree = {"gain-jla", "gains-voc", "gains-visdrone", "gains-state-of-the-art", "gains-resnet101", "iqdet-drop",
             "heads-best", "speed-order", "k-best", "k-spread", "theta-zero-poor", "theta-spread", "voc-order",
             "parameters-order", "outperforms-handcrafted", "outperforms-handcrafted-50", "outperforms-dynamic",
             "outperforms-resnet101", "batch-size"}  # fmt: skip
    assert {name for name, outcome in outcomes.items() if outcome == "agrees"} == agree
    for name in ("gain-over-fcos", "gain-pre-regression", "gain-freeanchor", "iqdet-better", "one-setting",
                 "equal-ticks", "theta-zero-tick", "code-base", "voc-images"):  # fmt: skip
        assert outcomes[name] == "contradiction", name
    assert outcomes["voc-slightly"] == "slip"
    assert {outcomes[name] for name in ("ap-threshold", "theta-rule")} == {"impossible"}
    assert {name for name, outcome in outcomes.items() if outcome == "implausible"} == {"small-objects", "paa-row"}


def test_results_are_the_computation():
    results = {name: finding.result for name, finding in found().items()}
    assert results["gain-over-fcos"] == "40.3 − 37.0 = 3.3, stated 3.2; 40.9 − 37.4 = 3.5, stated 3.2"
    assert "AP75 49.3 against 49.3" in results["iqdet-better"]
    assert "rows 5 and 7 have the same ticks: AP 39.6 and 40.3" in results["equal-ticks"]
    assert results["small-objects"] == "APS / AP = 0.67; 0.55 to 0.60 in the 12 other rows on ResNet-101"  # 30.3 / 45.0
    assert results["k-best"].endswith(
        "Not so: AP50 58.2 against 57.9, 58.2, 57.6, 57.8; AP75 40.5 against 40.3, 40.3, 40.1, 40.7"
    )
    assert results["k-spread"] == "38.0 − 37.8 = 0.2 between 5 rows, 38.0 − 37.5 = 0.5 between θ = 0.6 and θ = 0"
    assert results["voc-slightly"].startswith("54.3 − 53.0 = 1.3 between 3 rows")
    assert results["theta-zero-poor"].startswith("AP 37.5 below 38.0, 38.0, 38.0; AP50 57.6 below 57.8, 57.7, 57.8")
    assert results["batch-size"] == "4 × 4 = 16, stated 16"
    assert "= 32.5 (" in results["voc-images"] and "= 43.5 (" in results["voc-images"]
    assert "0.433 (n = 3)" in results["theta-rule"] and results["theta-rule"].startswith("0 of 40,000")
    assert results["ap-threshold"].startswith("AP < AP50 in 44 of 44 rows")


@pytest.mark.parametrize(
    ("row", "numbers", "entry", "before", "after"),
    [
        (("table5", "All"), {"AP": 41.0}, "gain-pre-regression", "contradiction", "contradiction"),
        (("table5", "JLA"), {"AP": 38.1}, "gain-jla", "agrees", "contradiction"),
        (("table6", "ATSS"), {"AP": 54.3}, "gains-voc", "agrees", "contradiction"),
        (("table9", "FreeAnchor, ResNet101"), {"AP": 43.5}, "gain-freeanchor", "contradiction", "agrees"),
        (("table9", "IQDet, ResNet-101-FPN"), {"AP75": 49.2}, "iqdet-better", "contradiction", "agrees"),
        (("table1", "K = 45"), {"AP": 38.0}, "k-best", "agrees", "contradiction"),  # a tie is no win
        (("table1", "K = 45"), {"AP75": 40.4}, "k-best", "agrees", "agrees"),  # told, not judged
        (("table1", "K = 40"), {"AP": 37.5}, "k-spread", "agrees", "contradiction"),  # as large as what is "poor"
        (("table2", "θ = 0"), {"AP75": 40.6}, "theta-zero-poor", "agrees", "contradiction"),
        (("table2", "θ = 0.8"), {"AP": 37.4}, "theta-spread", "agrees", "contradiction"),
        (("table6", "ATSS"), {"AP": 54.3}, "voc-order", "agrees", "contradiction"),
        (("table6", "FCOS"), {"AP": 54.0}, "voc-slightly", "slip", "agrees"),
        (("table4", "FCOS"), {"parameters": 34_614_307}, "parameters-order", "agrees", "contradiction"),
        (("table9", "Cascade R-CNN, ResNet101"), {"AP": 45.0}, "outperforms-handcrafted", "agrees", "contradiction"),
        (("table9", "FCOS, ResNet50"), {"AP": 41.0}, "outperforms-handcrafted-50", "agrees", "contradiction"),
        (("table9", "Lib R-CNN, ResNet50"), {"AP": 41.0}, "outperforms-dynamic", "agrees", "contradiction"),
        (("table9", "PAA, ResNet101"), {"AP": 45.1}, "outperforms-resnet101", "agrees", "contradiction"),
        (("table9", "IQDet, ResNet-101-FPN"), {"APS": 31.0}, "small-objects", "implausible", "agrees"),  # a ResNet-101 row
        (("table2", "θ = 0.6"), {"AP50": 58.2, "AP75": 40.5}, "one-setting", "contradiction", "agrees"),
        (("table5", "All"), {"ticks": {"JLA": True}}, "equal-ticks", "contradiction", "agrees"),
        (("table9", "PAA, ResNet101"), {"APS": 26.0}, "paa-row", "implausible", "agrees"),
        (("table8", "Ours"), {"AP": 39.6, "AP50": 57.7}, "heads-row", "gap", "agrees"),
        (("table9", "Ours, ResNet101"), {"APS": 26.0}, "small-objects", "implausible", "agrees"),
        (("table4", "FCOS"), {"parameters": 32_244_245}, "code-base", "contradiction", "contradiction"),
        (("table3", "Ours"), {"FPS": 6.0}, "speed-order", "agrees", "contradiction"),
        (("table3", "Ours"), {"FPS": 13.0}, "speed-order", "agrees", "contradiction"),
    ],
)  # fmt: skip
def test_a_changed_number_changes_the_finding(experiments, row, numbers, entry, before, after):
    original = found(experiments)[entry]
    publish(experiments, *row, **numbers)
    changed = found(experiments)[entry]
    assert (original.outcome, changed.outcome) == (before, after)
    assert original.result != changed.result


def test_closed_form_counts_are_those_of_the_built_detectors():
    published = {row.label: row.published["parameters"] for row in Experiments().exhibits["table4"].rows}
    assert fcos_parameters(scales=5) == published["FCOS"] == 32_244_250
    assert faster_rcnn_parameters(boxed=81) == published["Faster R-CNN"] == 41_704_036
    assert faster_rcnn_parameters(boxed=80) == 41_699_936  # detectron2's own count


def test_a_product_that_is_another_contradicts(experiments):
    file = experiments / "audit.yaml"
    assert "factors: [4, 4]" in file.read_text()
    file.write_text(file.read_text().replace("factors: [4, 4]", "factors: [4, 3]"))
    finding = found(experiments)["batch-size"]
    assert (finding.outcome, finding.result) == ("contradiction", "4 × 3 = 12, stated 16")


def test_every_entry_says_where_what_and_what_is_done():
    entries = found().values()
    assert len(entries) >= 45
    for finding in entries:
        assert all((finding.where, finding.sentence, finding.what, finding.suite)), finding.id
        assert (finding.how == "computed") == bool(finding.result), finding.id


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[table5, JLA, AP]", "[table5, JLAA, AP]", "audit.yaml: entries.0.check: no row 'JLAA' in table5; allowed: FCOS"),
        ("[table5, JLA, AP]", "[table15, JLA, AP]", "audit.yaml: entries.0.check: no exhibit 'table15'; allowed: table1"),
        ("[table5, JLA, AP]", "[table5, JLA, APX]", "entries.0.check: table5, JLA has no published 'APX'; allowed: AP, AP50"),
        ("name: differences, gains", "name: difference, gains", "audit.yaml: entries.0.check.name: found 'difference'"),
        ("id: gain-over-fcos", "id: gain-jla", "audit.yaml: entries.1.id: 'gain-jla' is used twice"),
        ("over: [ATSS, FCOS], ", "", "audit.yaml: entries.14.check: expected over, under or both"),
        ("beside: [AP50, AP75]", "beside: [AP50, APX]", "table1, K = 35 has no published 'APX'; allowed: AP, AP50"),
        ("[table6, FCOS, AP]]", "[table6, FOCS, AP]]", "no row 'FOCS' in table6; allowed: RetinaNet, FCOS"),
        ("exhibit: table4}", "exhibit: table5}", "has no published 'parameters'; allowed: AP"),
        ("[table5, JLA]]}", "[table9, \"PAA, ResNet101\"]]}", "is only cited, so it has no settings"),
    ],
)  # fmt: skip
def test_a_mistake_ends_the_plan_in_one_line(experiments, old, new, message):
    file = experiments / "audit.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_plan(folder=experiments)
    assert message in str(caught.value) and "\n" not in str(caught.value)
