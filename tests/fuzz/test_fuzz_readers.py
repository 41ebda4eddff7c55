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


def same(one, other) -> bool:
    return all(
        a.file_name == b.file_name and np.array_equal(a.boxes, b.boxes) and np.array_equal(a.labels, b.labels)
        for a, b in zip(one.entries, other.entries, strict=True)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(at=st.sampled_from(list(places(INSTANCES))), value=WEIRD, remove=st.booleans())
def test_an_instances_file_with_one_thing_wrong(folder, at, value, remove):
    file = folder / "instances.json"
    file.write_text(json.dumps(changed(INSTANCES, at, value, remove)), encoding="utf-8")
    before = sorted(folder.iterdir())
    first = parsed(lambda: coco.read(file))
    if first is not None:
        file.write_text(json.dumps(json.loads(file.read_text())), encoding="utf-8")
        assert same(first, coco.read(file))
    assert sorted(folder.iterdir()) == before


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
    file = folder / "a.xml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    labels = {each: label for label, each in enumerate(voc.CLASSES)}
    truth = parsed(lambda: voc.read_annotation(file, 1, labels))
    if truth is not None:
        assert np.isfinite(truth.boxes).all() and set(truth.labels) <= set(labels.values())
        again = voc.read_annotation(file, 1, labels)
        assert np.array_equal(truth.boxes, again.boxes)


@given(content=st.binary(max_size=300))
def test_bytes_that_are_no_annotation(folder, content):
    (folder / "b.xml").write_bytes(content)
    parsed(lambda: voc.read_annotation(folder / "b.xml", 1, {"cat": 0}))


FIELD = st.one_of(st.integers(-3, 60).map(str), st.sampled_from(["0", "1"]), NUMBER)
LINE = st.lists(FIELD, min_size=6, max_size=9).map(",".join)


@given(lines=st.lists(LINE, max_size=4), end=st.sampled_from(["", "\n", "\r\n", ",\n", "\x00"]))
def test_visdrones_rows(folder, lines, end):
    file = folder / "a.txt"
    file.write_bytes(("\n".join(lines) + end).encode("utf-8", "surrogatepass"))
    rows = parsed(lambda: visdrone.read_rows(file))
    if rows is not None:
        assert np.isfinite(rows).all() and rows.shape[1:] == (8,)
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
