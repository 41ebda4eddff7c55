"""What is wrong in an instances file is said in one line that names file, place and expectation."""

import copy
import math
import re
import time

import pytest

from triplehead.data.coco import CocoDataset
from triplehead.errors import InputError


def refuses(tiny, *said: str):
    with pytest.raises(InputError) as caught:
        tiny.open()
    message = str(caught.value)
    assert message.startswith(f"{tiny.annotations}: ")
    assert "\n" not in message
    for each in said:
        assert each in message


def test_file_missing(tiny):
    with pytest.raises(InputError, match=r"instances\.json: no such file"):
        CocoDataset(tiny.images, tiny.annotations)


def test_broken_json_names_line_and_column(tiny):
    tiny.annotations.write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(InputError, match=r"instances\.json: is not valid JSON \(line 2, column 18"):
        CocoDataset(tiny.images, tiny.annotations)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"[]", b'"text"'])
def test_no_annotations_at_all(tiny, content):
    tiny.annotations.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tiny.annotations))):
        CocoDataset(tiny.images, tiny.annotations)


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_missing_list(tiny, key):
    del tiny.content[key]
    refuses(tiny, f"'{key}' is missing")


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_list_of_another_type(tiny, key):
    tiny.content[key] = {"id": 1}
    refuses(tiny, f"{key} must be a list")


@pytest.mark.parametrize(
    ("kind", "key"),
    [("images", key) for key in ("id", "file_name", "width", "height")]
    + [("annotations", key) for key in ("id", "image_id", "category_id", "bbox", "area", "iscrowd")]
    + [("categories", key) for key in ("id", "name")],
)
def test_missing_key_in_a_row(tiny, kind, key):
    del tiny.content[kind][1][key]
    refuses(tiny, f"{kind}[1]: key '{key}' is missing")


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("images", "id", "9"),
        ("images", "id", True),
        ("images", "file_name", 5),
        ("images", "file_name", ""),
        ("images", "width", 0),
        ("images", "height", 30.5),
        ("annotations", "id", 0),
        ("annotations", "iscrowd", 2),
        ("annotations", "area", -1),
        ("annotations", "area", math.nan),
        ("annotations", "area", None),
        ("categories", "id", 1.5),
        ("categories", "name", None),
    ],
)
def test_wrong_value_in_a_row(tiny, kind, key, value):
    tiny.content[kind][1][key] = value
    refuses(tiny, f"{kind}[1].{key}", "expected")


@pytest.mark.parametrize("kind", ["images", "annotations", "categories"])
def test_row_of_another_type(tiny, kind):
    tiny.content[kind][1] = [1]
    refuses(tiny, f"{kind}[1] must be an object")


@pytest.mark.parametrize("kind", ["images", "annotations", "categories"])
def test_ids_that_occur_twice(tiny, kind):
    tiny.content[kind].append(copy.deepcopy(tiny.content[kind][0]))
    refuses(tiny, f"{kind}[{len(tiny.content[kind]) - 1}].id", "occurs twice")


def test_annotation_of_an_unknown_image(tiny):
    tiny.content["annotations"][2]["image_id"] = 123
    refuses(tiny, "annotations[2].image_id 123")


def test_annotation_of_an_unknown_category(tiny):
    tiny.content["annotations"][2]["category_id"] = 4
    refuses(tiny, "annotations[2].category_id 4")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 3])
def test_box_that_is_not_finite(tiny, value, place):
    tiny.content["annotations"][1]["bbox"][place] = value
    refuses(tiny, "annotations[1].bbox", "finite")


@pytest.mark.parametrize("place", [2, 3])
def test_negative_side(tiny, place):
    tiny.content["annotations"][1]["bbox"][place] = -2
    refuses(tiny, "annotations[1].bbox", "negative")


@pytest.mark.parametrize("bbox", [[1, 2, 3], [1, 2, 3, 4, 5], "1234", None, [1, 2, "3", 4], [1, 2, True, 4]])
def test_box_that_is_not_four_numbers(tiny, bbox):
    tiny.content["annotations"][1]["bbox"] = bbox
    refuses(tiny, "annotations[1].bbox", "four numbers")


def test_no_categories(tiny):
    tiny.content["categories"] = []
    refuses(tiny, "categories is empty")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[" * 100_000, "nested too deep"), ('{"images": [' + "9" * 5000 + "]}", "a number too long")],
    ids=["deep", "long"],
)
def test_json_that_python_refuses_to_parse(tiny, text, problem):
    tiny.annotations.write_text(text)
    with pytest.raises(InputError, match=problem):
        CocoDataset(tiny.images, tiny.annotations)


@pytest.mark.parametrize("name", ["a\0.png", "a\udc80.png", "a\n.png"])
def test_file_names_that_no_disk_holds(tiny, name):
    tiny.content["images"][0]["file_name"] = name
    refuses(tiny, "images[0].file_name", "expected a text")


@pytest.mark.parametrize(
    "name", ["../secret.png", "train/../../secret.png", "/etc/passwd", "..", "C:a.png", "..\\a.png", "a/" * 2049]
)
def test_file_names_that_leave_the_folder(tiny, name):
    tiny.content["images"][1]["file_name"] = name
    refuses(tiny, f"images[1].file_name is {name[:80]!r}"[:80], "expected a path below the folder of images")


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("images", "file_name", "a" * 10**6),
        ("images", "file_name", "\n" * 10**6),
        ("images", "width", "9" * 10**6),
        ("images", "height", [[["x" * 10**6] * 9] * 9] * 9),
        ("annotations", "area", {"x" * 10**6: 1}),
        ("annotations", "bbox", ["x" * 10**6] * 4),
        ("annotations", "bbox", [1] * 10**6),
        ("categories", "name", 10**300),
    ],
)
def test_what_is_quoted_is_short(tiny, kind, key, value):
    tiny.content[kind][1][key] = value
    with pytest.raises(InputError) as caught:
        tiny.open()
    assert f"{kind}[1].{key} is " in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("first", "again", "said"),
    [
        ('"iscrowd": 0', '"iscrowd": 0, "bbox": [0, 0, 40, 30]', "key 'bbox' is given twice in one object (id 1)"),
        ('"categories": ', '"annotations": [], "categories": ', "key 'annotations' is given twice in one object"),
    ],
)
def test_a_key_given_twice(tiny, first, again, said):
    tiny.open()
    tiny.annotations.write_text(tiny.annotations.read_text().replace(first, again, 1))
    with pytest.raises(InputError) as caught:
        CocoDataset(tiny.images, tiny.annotations)
    assert str(caught.value).startswith(f"{tiny.annotations}: {said}")


def test_a_key_given_twice_among_many_is_found_at_once(tiny):
    keys = ", ".join(f'"{number}": 0' for number in range(30_000))
    tiny.annotations.write_text(f'{{{keys}, "29999": 0}}')
    begin = time.process_time()
    with pytest.raises(InputError, match="key '29999' is given twice in one object"):
        CocoDataset(tiny.images, tiny.annotations)
    assert time.process_time() - begin < 2  # seconds; each key sought among all: 14


def test_numbers_beyond_any_image(tiny):
    tiny.content["annotations"][1]["bbox"][0] = 10**400
    refuses(tiny, "annotations[1].bbox", "finite")
