"""test-dev: what goes to COCO's server is what it takes, the same bytes each time."""

import json
import math
import shutil
import zipfile

import pytest
from tests.helpers import changed

from triplehead.engine.testdev import check, pack, results_name, write
from triplehead.errors import InputError

GOOD = {"image_id": 7, "category_id": 3, "bbox": [1.0, 2.5, 3.0, 0.0], "score": 1.0}


@pytest.fixture
def testdev(small_data, tmp_path):
    """(images, image_info): some of the scenes, without annotations, as test-dev comes."""
    content = json.loads((small_data / "annotations" / "instances_val2017.json").read_text())
    info = {key: content[key] for key in ("info", "licenses", "categories")} | {"images": content["images"][:5]}
    images, file = tmp_path / "test2017", tmp_path / "image_info_test-dev2017.json"
    images.mkdir()
    for image in info["images"]:
        shutil.copy(small_data / "val2017" / image["file_name"], images)
    file.write_text(json.dumps(info))
    return images, file


def test_the_zip_holds_the_servers_file_and_repeats(small_spec, small_data, trained, testdev, tmp_path):
    images, info = testdev
    path = pack(small_spec, small_data, trained, images, info, tmp_path / "out", "small")
    assert path == tmp_path / "out" / "detections_test-dev2017_small_results.zip"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["detections_test-dev2017_small_results.json"]
        results = json.loads(archive.read(archive.namelist()[0]))
    known = json.loads(info.read_text())
    ids, categories = ({each["id"] for each in known[key]} for key in ("images", "categories"))
    assert results and {row["image_id"] for row in results} <= ids
    assert {row["category_id"] for row in results} <= categories
    assert all(set(row) == set(GOOD) for row in results)
    first = path.read_bytes()
    assert pack(small_spec, small_data, trained, images, info, tmp_path / "again", "small").read_bytes() == first
    other = pack(small_spec, small_data, trained, images, info, tmp_path / "out")
    assert other.name == f"detections_test-dev2017_{small_spec.id}_results.zip"


def test_other_categories_and_missing_images_are_refused(small_spec, small_data, trained, testdev, tmp_path):
    images, info = testdev
    next(images.iterdir()).unlink()
    with pytest.raises(InputError, match=r"no such file, but .*image_info_test-dev2017"):
        pack(small_spec, small_data, trained, images, info, tmp_path / "out")
    content = json.loads(info.read_text())
    content["categories"][0]["name"] = "other"
    info.write_text(json.dumps(content))
    with pytest.raises(InputError, match="its categories differ from those that the run was trained on"):
        pack(small_spec, small_data, trained, images, info, tmp_path / "out")
    with pytest.raises(InputError, match="was trained on voc, but test-dev is COCO's"):
        pack(changed(small_spec, dataset="voc"), small_data, trained, images, info, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names():
    assert results_name("triple-head-R50") == "detections_test-dev2017_triple-head-R50_results"
    for wrong in ("", "two_parts", "a/b", "ä"):
        with pytest.raises(InputError, match="expected letters, digits and dashes"):
            results_name(wrong)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image_id": 8}, r"\[1\]\.image_id is 8, which is not in"),
        ({"image_id": 7.0}, r"\[1\]\.image_id is 7\.0"),
        ({"category_id": 4}, r"\[1\]\.category_id is 4"),
        ({"category_id": True}, r"\[1\]\.category_id is True"),
        ({"bbox": [0, 0, 1]}, r"\[1\]\.bbox"),
        ({"bbox": [0, 0, math.inf, 1]}, r"\[1\]\.bbox"),
        ({"bbox": [0, 0, 1, -0.1]}, r"\[1\]\.bbox"),
        ({"bbox": "0 0 1 1"}, r"\[1\]\.bbox"),
        ({"score": 1.01}, r"\[1\]\.score is 1\.01"),
        ({"score": math.nan}, r"\[1\]\.score is nan"),
        ({"score": None}, r"\[1\]\.score is None"),
        ({"area": 4}, r"\[1\] has the fields .*area, expected image_id"),
    ],
)
def test_what_the_server_would_refuse_is_named(change, problem):
    check([GOOD], {7}, {3, True}, "results")
    with pytest.raises(InputError, match=problem):
        check([GOOD, GOOD | change], {7}, {3}, "results")


def test_no_detection_at_all_is_refused():
    with pytest.raises(InputError, match="holds no detection"):
        check([], {7}, {3}, "results")


def test_the_bytes_do_not_depend_on_when_they_are_written(tmp_path, monkeypatch):
    first = write([GOOD], "one", tmp_path / "a").read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert write([GOOD], "one", tmp_path / "b").read_bytes() == first
