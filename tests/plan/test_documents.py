"""A mistake in a YAML file is one line that names file, path in the file, and what is allowed."""

from pathlib import Path

import pytest

from triplehead.errors import InputError
from triplehead.plan.documents import Layer, merge, read_yaml, validate
from triplehead.plan.options import Assigner, Data, Dense, Schedule
from triplehead.plan.schema import Exhibit


def error_of(model, values: dict) -> str:
    with pytest.raises(InputError) as caught:
        validate(model, Layer(Path("a.yaml"), "", values))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unknown_key_lists_the_allowed_and_the_nearest():
    message = error_of(Schedule, {"iterations": 5, "batchsize": 3})
    assert message.startswith("a.yaml: batchsize: unknown key; did you mean batch_size?")
    assert "momentum" in message


def test_wrong_type_is_not_converted():
    assert error_of(Schedule, {"iterations": "5"}) == "a.yaml: iterations: input should be a valid integer, found '5'"


def test_impossible_value():
    assert error_of(Schedule, {"iterations": 0}) == "a.yaml: iterations: input should be greater than 0, found 0"


def test_wrong_choice_lists_the_choices():
    message = error_of(Schedule, {"iterations": 5, "optimizer": "adam"})
    assert message == "a.yaml: optimizer: input should be 'sgd' or 'adamw', found 'adam'"


def test_unknown_name_of_a_part():
    assert error_of(Assigner, {"name": "atts"}).startswith("a.yaml: name: found 'atts', allowed: 'fcos', 'jla'")


def test_missing_name_of_a_part():
    assert "name" in error_of(Assigner, {"k": 5})


def test_missing_key():
    assert error_of(Schedule, {}) == "a.yaml: iterations: required, but missing"


def test_a_misspelt_key_is_named_before_what_is_missing_for_it():
    row = {"label": "A", "spec": {"detectr": "baseline"}}
    table = {"kind": "scores", "title": "T", "metrics": ["AP"], "rows": [row]}
    said = error_of(Exhibit, table)
    assert said.startswith("a.yaml: rows.0.spec.detectr: unknown key; did you mean detector? allowed: detector, engine")
    said = error_of(Exhibit, table | {"rows": [{"label": "A"}, {"lable": "B"}]})
    assert said.startswith("a.yaml: rows.1.lable: unknown key; did you mean label?")
    # One elsewhere has nothing to do with it.
    said = error_of(Exhibit, table | {"rows": [{}, {"label": "A", "spec": {"detector": "jla", "x": 1}}]})
    assert said == "a.yaml: rows.0.label: required, but missing"


def test_nan_is_no_number():
    assert "lr" in error_of(Schedule, {"iterations": 5, "lr": float("nan")})


def test_unknown_key_inside_a_union():
    backbone = {"name": "tiny"}
    detector = {"backbone": backbone, "head": {"name": "fcos"}, "assigner": {"name": "jla", "tetha": 0.5}}
    message = error_of(Dense, detector)
    assert message.startswith("a.yaml: assigner.tetha: unknown key; did you mean theta?")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "scenes"}, "a.yaml: required, but 'kind' is missing"),
        ({"source": "folder"}, "a.yaml: required, but 'layout' is missing"),
        ({"kind": "voc"}, "a.yaml: required, but 'source' is missing"),
        ({"source": "web"}, "a.yaml: source: found 'web', allowed: 'scenes', 'folder'"),
        ({"source": "scenes", "kind": "vox"}, "a.yaml: kind: found 'vox', allowed: 'coco', 'voc', 'visdrone'"),
        ({"source": "folder", "layout": "vox"}, "a.yaml: layout: found 'vox', allowed: 'coco', 'voc', 'visdrone'"),
        ({"source": "folder", "layout": "voc", "train": ["VOC2007"]}, "a.yaml: train.0: string should match pattern"),
        ({"source": "folder", "layout": "voc", "val": []}, "a.yaml: val: tuple should have at least 1 item"),
        (
            {"source": "folder", "layout": "voc", "difficult": "ignore"},
            "a.yaml: difficult: input should be 'keep' or 'drop'",
        ),
        (
            {"source": "scenes", "kind": "visdrone", "regions": 2},
            "a.yaml: regions: input should be less than or equal to 1",
        ),
        ({"source": "scenes", "kind": "visdrone", "objects": [9, 3]}, "a.yaml: objects must be [fewest, most]"),
        (
            {"source": "scenes", "kind": "coco", "regions": 0.5},
            "a.yaml: regions: unknown key; allowed: source, kind, image_size",
        ),
    ],
)
def test_data_sets_are_unions_in_a_union(values, message):
    assert error_of(Data, values).startswith(message)


def test_unknown_key_of_a_data_set_lists_the_keys_of_its_own_kind():
    scenes = error_of(Data, {"source": "scenes", "kind": "voc", "dificult": "keep"})
    assert scenes.startswith("a.yaml: dificult: unknown key; did you mean difficult? allowed: source, kind, image_size")
    folder = error_of(Data, {"source": "folder", "layout": "visdrone", "test": "x"})
    assert folder == "a.yaml: test: unknown key; allowed: source, layout, train, val"


def test_the_layer_that_holds_the_mistake_is_named():
    base = Layer(Path("scale.yaml"), "", {"iterations": 5, "lr": 0.1})
    row = Layer(Path("table.yaml"), "rows.2.spec", {"lr": -1})
    with pytest.raises(InputError, match=r"^table\.yaml: rows\.2\.spec\.lr: .*greater than 0"):
        validate(Schedule, [base, row])
    with pytest.raises(InputError, match=r"^scale\.yaml: warm: unknown key"):
        validate(
            Schedule, [Layer(Path("scale.yaml"), "", {"iterations": 5, "warm": 1}), Layer(Path("b"), "", {"lr": 1.0})]
        )


def test_merge_is_deep_and_leaves_its_layers_alone():
    first = {"a": {"x": 1, "y": [1, 2]}}
    layers = [Layer(Path("1"), "", first), Layer(Path("2"), "", {"a": {"x": 2}, "b": 3})]
    assert merge(layers) == {"a": {"x": 2, "y": [1, 2]}, "b": 3}
    assert first == {"a": {"x": 1, "y": [1, 2]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 2"),
        ("a: 1\na: 2", "line 2: key 'a' is given twice"),
        ("- 1", "expected a mapping at the top, found list"),
        ("", "expected a mapping at the top, found NoneType"),
        ("a: !!python/object:os.system {}", "line 1"),
        ("? [a, b]\n: 1", "line 1: a key must be a word"),
        ("a: &a [*a]", "refers to itself"),
        ("a: 1" + "0" * 5000, "not valid YAML"),
    ],
)
def test_broken_yaml(tmp_path, text, message):
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_yaml(file)
    assert str(file) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("one", ["[", "- ", "{a: ", "? "])
def test_no_depth_ends_the_process(tmp_path, one):
    (tmp_path / "a.yaml").write_text("kind:\n " + one * 100_000)
    with pytest.raises(InputError, match=r"a\.yaml: .*is nested too deep"):
        read_yaml(tmp_path / "a.yaml")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")


def test_what_is_quoted_is_short(tmp_path):
    long = "5" * 10_000
    (tmp_path / "a.yaml").write_text(f"? {long}\n: 1\n" * 2)
    with pytest.raises(InputError) as caught:
        read_yaml(tmp_path / "a.yaml")
    assert "is given twice" in str(caught.value)
    messages = [error_of(Schedule, {"iterations": long}), error_of(Assigner, {"name": long}), str(caught.value)]
    assert all("55...55" in message and len(message) < 1000 for message in messages)


def test_numbers_without_a_point_may_have_an_exponent(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("a: 1e-4\nb: 2E3\nc: e4\n")
    assert read_yaml(file) == {"a": 1e-4, "b": 2000.0, "c": "e4"}
