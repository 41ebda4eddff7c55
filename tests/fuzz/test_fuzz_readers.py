"""Files from strangers: a parsed result that survives a round trip, or the one documented error, in one line."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import annotations

from triplehead.data import coco, visdrone, voc
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
WEIRD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(min_value=10**25, max_value=10**30), st.floats(),
    st.text(max_size=8), st.just([]), st.just({}), st.lists(st.floats(), max_size=5), st.just("\ud800"),
)  # fmt: skip
INSTANCES = {
    "images": [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 10, 12], "area": 120, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 7, "bbox": [0, 0, 40, 30], "area": 1200, "iscrowd": 1},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
}

LABELS = {name: label for label, name in enumerate(voc.CLASSES)}


def places(content, at=()):
    """Every path into nested lists and mappings."""
    yield at
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from places(value, (*at, key))


def changed(content, at, value, remove: bool):
    """A copy with the value at a path replaced, or taken away."""
    if not at:
        return value
    content = copy.deepcopy(content)
    inner = content
    for key in at[:-1]:
        inner = inner[key]
    if remove:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return content


def parsed(read):
    """What `read` gives, or None where it refuses as documented; any other exception is the test's failure."""
    try:
        return read()
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return None


def check_instances(file, content) -> bool:
    """Whether `coco.read` takes the content; if so, as it is written, and again what it makes of that."""
    file.write_text(json.dumps(content), encoding="utf-8")
    found = parsed(lambda: coco.read(file))
    if found is None:
        return False
    rows, sizes = annotations.coco_rows(content), {image["id"]: image for image in content["images"]}
    assert [entry.image_id for entry in found.entries] == list(rows)
    assert dict(found.categories) == {category["id"]: category["name"] for category in content["categories"]}
    for entry in found.entries:
        image = sizes[entry.image_id]
        height, width, name = image["height"], image["width"], image["file_name"]
        assert entry.file_name == name
        annotations.assert_reads(entry.truth, height, width, rows[entry.image_id])
        trained = annotations.trained_rows(height, width, rows[entry.image_id])
        assert np.array_equal(entry.boxes, np.array([box for box, _, _ in trained], np.float32).reshape(-1, 4))
        assert entry.labels.tolist() == [label for _, label, _ in trained]
    file.write_text(annotations.coco_text(found), encoding="utf-8")
    again = coco.read(file)
    assert again.categories == found.categories
    for one, other in zip(found.entries, again.entries, strict=True):
        assert one.file_name == other.file_name
        annotations.assert_same(one.truth, other.truth)
    return True


def check_annotation(file, text) -> bool:
    """The same of `voc.read_annotation`."""
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    truth = parsed(lambda: voc.read_annotation(file, 1, LABELS))
    if truth is None:
        return False
    annotations.assert_reads(truth, *annotations.voc_rows(text, LABELS))
    file.write_text(annotations.voc_text(truth, LABELS), encoding="utf-8")
    annotations.assert_same(truth, voc.read_annotation(file, 1, LABELS))
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(at=st.sampled_from(list(places(INSTANCES))), value=WEIRD, remove=st.booleans())
def test_an_instances_file_with_one_thing_wrong(folder, at, value, remove):
    file = folder / "instances.json"
    file.touch()
    before = sorted(folder.iterdir())
    check_instances(file, changed(INSTANCES, at, value, remove))
    assert sorted(folder.iterdir()) == before


# Of a box: hundredths, and floats of any size.
POSITION = st.one_of(st.integers(-50, 100), st.integers(-5000, 9000).map(lambda n: n / 100), st.floats(-(2**52), 2**52))
SIDE = st.one_of(st.integers(0, 100), st.integers(0, 9000).map(lambda n: n / 100), st.floats(0, 2**52))
OBJECT = st.tuples(st.tuples(POSITION, POSITION, SIDE, SIDE), st.integers(0, 2), st.integers(0, 1))
IMAGE = st.tuples(st.integers(1, 90), st.integers(1, 90), st.lists(OBJECT, max_size=3))


@given(images=st.lists(IMAGE, max_size=3), ids=st.permutations([4, 9, 7]), categories=st.permutations([3, 90, 17]))
def test_instances_are_read_as_they_are_written(folder, images, ids, categories):
    content = {
        "images": [
            {"id": number, "file_name": f"{number}.jpg", "height": height, "width": width}
            for number, (height, width, _) in zip(ids, images, strict=False)
        ],
        "annotations": [
            {"image_id": number, "category_id": categories[which], "bbox": list(box), "area": 1, "iscrowd": crowd}
            for number, (_, _, objects) in zip(ids, images, strict=False)
            for box, which, crowd in objects
        ],
        "categories": [{"id": number, "name": f"class {number}"} for number in categories],
    }
    content["annotations"] = [each | {"id": n} for n, each in enumerate(reversed(content["annotations"]), 1)]
    assert check_instances(folder / "instances.json", content)


@given(content=st.binary(max_size=200))
def test_bytes_that_are_no_instances_file(folder, content):
    (folder / "bytes.json").write_bytes(content)
    assert parsed(lambda: coco.read(folder / "bytes.json")) is None


NUMBER = st.one_of(
    st.integers(-5, 60).map(str), st.floats().map(str), st.text(max_size=6), st.sampled_from(["", "1e400", "NaN", "٣", "0x1", "1_0"])
)  # fmt: skip
TAGS = st.sampled_from(["annotation", "object", "name", "bndbox", "xmin", "size", "width", "difficult", "part"])
NOISE = st.one_of(
    st.just(""), st.text(max_size=10), st.just("<!DOCTYPE a [<!ENTITY b 'c'>]>"), st.just("&b;"), st.just("<![CDATA[x]]>"),
    TAGS.map(lambda tag: f"<{tag}>"), TAGS.map(lambda tag: f"<{tag}>1</{tag}>"), st.just("<a>" * 200),
)  # fmt: skip


@given(corners=st.tuples(NUMBER, NUMBER, NUMBER, NUMBER), size=st.tuples(NUMBER, NUMBER), name=st.sampled_from(["cat", "elf", ""]), noise=NOISE)  # fmt: skip
def test_a_voc_annotation(folder, corners, size, name, noise):
    box = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    inside = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>{noise}"
    text = f"<annotation>{inside}<object><name>{name}</name><bndbox>{box}</bndbox></object></annotation>"
    check_annotation(folder / "a.xml", text)


EDGE = st.one_of(
    st.integers(-5, 60).map(str),
    st.integers(-500, 6000).map(lambda n: str(n / 100)),
    st.sampled_from(["1e1", "2.", " 7\n", "0.1e2"]),
)
EDGES = st.tuples(EDGE, EDGE).map(lambda pair: sorted(pair, key=float))
FLAG = st.sampled_from(["", "<difficult>0</difficult>", "<difficult>1</difficult>"])
THING = st.tuples(EDGES, EDGES, st.sampled_from(["cat", "dog", " person "]), FLAG, st.booleans())
PART = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"


@given(things=st.lists(THING, max_size=3), height=st.integers(1, 99), width=st.integers(1, 99))
def test_a_voc_annotation_is_read_as_it_is_written(folder, things, height, width):
    text = f"<annotation><size><width>{width}</width><height>{height}</height></size>"
    for (left, right), (top, bottom), name, flag, has_part in things:
        box = f"<ymax>{bottom}</ymax><xmax>{right}</xmax><xmin>{left}</xmin><ymin>{top}</ymin>"
        text += f"<object>{PART * has_part}<name>{name}</name>{flag}<bndbox>{box}</bndbox></object>"
    assert check_annotation(folder / "a.xml", f"{text}</annotation>")


@given(content=st.binary(max_size=300))
def test_bytes_that_are_no_annotation(folder, content):
    (folder / "b.xml").write_bytes(content)
    parsed(lambda: voc.read_annotation(folder / "b.xml", 1, {"cat": 0}))


FIELD = st.one_of(st.integers(-3, 60).map(str), st.sampled_from(["0", "1"]), NUMBER)
LINE = st.lists(FIELD, min_size=6, max_size=9).map(",".join)
ROW = st.tuples(
    POSITION, POSITION, SIDE, SIDE, st.integers(0, 1), st.integers(0, 11), st.integers(0, 1), st.integers(0, 2)
)
ROWS = st.lists(ROW.map(lambda row: ",".join(map(str, row))), min_size=1, max_size=4)


@given(lines=st.one_of(st.lists(LINE, max_size=4), ROWS), end=st.sampled_from(["", "\n", "\r\n", ",\n", "\x00"]))
def test_visdrones_rows(folder, lines, end):
    file = folder / "a.txt"
    file.write_bytes(("\n".join(lines) + end).encode("utf-8", "surrogatepass"))
    rows = parsed(lambda: visdrone.read_rows(file))
    if rows is not None:
        plain = [row.strip().removesuffix(",").split(",") for row in file.read_text().split("\n") if row.strip()]
        assert rows.shape[1:] == (8,) and rows.tolist() == [[float(value) for value in row] for row in plain]
        file.write_text("".join(",".join(repr(float(value)) for value in row) + "\n" for row in rows))
        again = parsed(lambda: visdrone.read_rows(file))
        assert again is not None and np.array_equal(rows, again)


@given(content=st.binary(max_size=200))
def test_bytes_that_are_no_rows(folder, content):
    (folder / "b.txt").write_bytes(content)
    parsed(lambda: visdrone.read_rows(folder / "b.txt"))


@pytest.fixture(scope="module")
def study(folder):
    """The smallest experiments that load: loading all of the paper's takes a second."""
    place = Path(shutil.copytree(EXPERIMENTS, folder / "experiments"))
    for pattern in ("table*", "fig*", "claims", "audit", "silence"):
        for file in place.glob(f"{pattern}.yaml"):
            file.unlink()
    return place


SPEC = {
    "kind": "scores",
    "title": "One row",
    "section": "4",
    "metrics": ["AP"],
    "rows": [
        {
            "label": "JLA",
            "spec": {
                "detector": "jla",
                "dataset": "coco",
                "backbone": "resnet50",
                "schedule": "1x",
                "assigner": {"k": 25, "alpha": 2},
                "head": {"quality": "iou"},
                "loss": {"box_weight": 1.0},
            },
            "published": {"AP": 38.0},
        }
    ],
}


@given(at=st.sampled_from(list(places(SPEC))[1:]), value=WEIRD, remove=st.booleans())
def test_a_spec_with_one_thing_wrong(study, at, value, remove):
    content = changed(SPEC, at, value, remove)
    try:
        text = yaml.safe_dump(content, allow_unicode=False)
    except (yaml.YAMLError, UnicodeEncodeError):
        return
    (study / "table1.yaml").write_text(text)
    plan = parsed(lambda: load_plan({"scale": "smoke"}, study))
    for run in plan.runs.values() if plan else ():
        assert type(run.spec).model_validate_json(run.spec.model_dump_json()) == run.spec


@given(content=st.binary(max_size=100))
def test_bytes_that_are_no_spec(study, content):
    (study / "table1.yaml").write_bytes(content)
    parsed(lambda: load_plan({"scale": "smoke"}, study))
