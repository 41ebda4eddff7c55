from functools import partial

import pytest
from tests.helpers import only_own_tables

from triplehead.plan.plan import load_plan, paper_specs
from triplehead.report import choices
from triplehead.report.choices import CHOICES, choices_in_force, departures


def test_choices_show_the_value_of_the_runs_and_the_others():
    rows = {row["name"]: row for row in choices_in_force(load_plan({"scale": "smoke"}))}
    assert (rows["fallback"]["value"], rows["fallback"]["others"]) == ("ignore", "background, max_weight")
    assert rows["switch_at"]["value"] == "0.5"


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_every_choice_is_a_setting(choice):
    assert choice.name in choice.owner.model_fields


def test_paper_scale_departs_nowhere_and_proxy_does():
    assert departures(load_plan({"scale": "paper", "data_root": "anywhere"})) == []
    found = {line["setting"]: (line["paper"], line["here"]) for line in departures(load_plan({"scale": "proxy"}))}
    assert found["assigner.k_share"] == ("1", "0.2")
    assert found["head.norm"] == ("group", "batch")
    assert (
        found["data"][0].startswith("COCO 2017, 80 classes; PASCAL VOC, 20 classes")
        and "digit scenes" in found["data"][1]
    )
    assert "ResNet-50" in found["backbone"][0]


def test_a_stand_in_is_named_and_not_taken_apart(experiments, monkeypatch):
    only_own_tables(experiments)
    row = "{label: RetinaNet, spec: {detector: retinanet}}"
    (experiments / "table1.yaml").write_text(f"kind: scores\ntitle: x\nsection: x\nmetrics: [AP]\nrows: [{row}]\n")
    monkeypatch.setattr(choices, "paper_specs", partial(paper_specs, folder=experiments))
    found = {line["setting"]: (line["paper"], line["here"]) for line in departures(load_plan(folder=experiments))}
    assert found["detector"] == ("retinanet", "fcos-max_iou")
    assert not any(setting.startswith(("head.", "assigner.", "loss.")) for setting in found)


def test_real_images_of_the_user_are_not_called_coco():
    found = {line["setting"]: line for line in departures(load_plan({"scale": "mini", "data_root": "anywhere"}))}
    assert found["data"]["here"].startswith("the user's images")
