"""The declarations of the official archives."""

import pytest
import yaml

from triplehead.errors import InputError
from triplehead.plan.datasets import read_dataset
from triplehead.plan.options import LAYOUTS
from triplehead.plan.plan import load_plan


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_split_of_the_paper_is_declared(name):
    """And what archives give is where the readers look."""
    declared, data = read_dataset(name), load_plan({"scale": "paper"}).scale.datasets[name]
    for split in ("train", "val"):
        assert declared.official(data.parts(split)).images > 500
    given = {f"{declared.folder}/{place}" for each in declared.archives if not each.optional for place in each.gives}
    assert set(data.annotations) <= given


def test_published_counts_are_consistent():
    coco, voc = read_dataset("coco").parts, read_dataset("voc").parts
    assert sum(part.objects for part in coco.values()) == 896_782  # as COCO's page and the API's issue 117 add up
    assert sum(part.counted for part in coco.values()) == 886_284
    assert voc["VOC2007/trainval"].counted + voc["VOC2007/test"].counted == 24_640  # VOC2007's page: all sets
    assert voc["VOC2007/trainval"].images + voc["VOC2007/test"].images == 9_963


def test_the_scale_or_the_user_asks_for_whole_data_sets():
    asked = {
        (scale, answer): load_plan({"scale": scale, "data_complete": answer}).data_complete
        for scale in ("mini", "paper")
        for answer in (None, True, False, "true", "false")
    }
    assert [key for key, value in asked.items() if value] == [
        ("mini", True), ("mini", "true"), ("paper", None), ("paper", True), ("paper", "true")
    ]  # fmt: skip


def test_a_switch_is_on_or_off():
    with pytest.raises(InputError, match="--config: download: input should be a valid boolean, found 'perhaps'"):
        load_plan({"download": "perhaps"})


def test_these_settings_change_no_run():
    plain = load_plan({"scale": "paper"})
    other = load_plan(
        {"scale": "paper", "data_complete": False, "download": True, "data_mirror": "http://127.0.0.1:1/a"}
    )
    assert list(plain.runs) == list(other.runs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"md5": "x"}, "archives.0.md5"),
        ({"file": "../a.zip"}, "archives.0.file"),
        ({"file": "a.rar"}, "archives.0.file"),
        ({"url": "ftp://a/b.zip"}, "archives.0.url"),
        ({"url": None}, "archives.0: has no url, and by_hand does not say"),
        ({"gives": {}}, "archives.0.gives"),
        ({"gives": {"../outside": 1}}, "expected a path below the data set's folder"),
        ({"gives": {"/outside": 1}}, "expected a path below the data set's folder"),
        ({"file": "val2017.zip"}, "archives.1.file: val2017.zip is listed twice"),
        ({"size": 5}, "size: unknown key; "),
    ],
)
def test_mistakes_name_file_and_place(experiments, change, message):
    path = experiments / "datasets" / "coco.yaml"
    document = yaml.safe_load(path.read_text())
    document["archives"][0].update(change)
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(InputError) as caught:
        read_dataset("coco", experiments)
    assert "coco.yaml: " in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)
