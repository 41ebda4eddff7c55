"""The suite where detectron2 is not: it says so in one line, and runs keep their ids."""

import subprocess
import sys

import pytest
from tests.detectron2.conftest import ABSENT, HERE, REASON
from tests.helpers import changed

from triplehead.errors import InputError
from triplehead.plan import engines
from triplehead.plan.plan import load_plan


def test_a_spec_that_wants_it_is_one_line(monkeypatch):
    monkeypatch.setattr(engines, "importable", lambda: False)
    with pytest.raises(InputError, match=r"table\d\.yaml: rows\.0\.spec\.engine: found 'detectron2', but it cannot"):
        load_plan({"engine": "detectron2"})
    load_plan({})


def test_what_it_cannot_do_is_one_line(experiments, monkeypatch):
    monkeypatch.setattr(engines, "importable", lambda: True)
    with pytest.raises(InputError, match=r"takes a batch whole, in one process; expected devices not to be set"):
        load_plan({"engine": "detectron2", "devices": 2})
    plan = load_plan({"engine": "detectron2"})
    assert {spec.engine for spec in plan.specs["table5", "All"]} == {"detectron2"}
    assert {spec.engine for spec in plan.specs["table6", "Ours"]} == {"triplehead"}  # VOC
    table = experiments / "table6.yaml"
    table.write_text(table.read_text().replace("dataset: voc", "dataset: voc, engine: detectron2", 1))
    with pytest.raises(InputError, match="whose evaluator is COCO's, on dataset 'voc'"):
        load_plan({}, experiments)


def test_ids_of_other_runs_do_not_change(monkeypatch):
    monkeypatch.setattr(engines, "importable", lambda: True)
    own, theirs = load_plan({}), load_plan({"engine": "detectron2"})
    (before, *_), (after, *_) = own.specs["table5", "All"], theirs.specs["table5", "All"]
    assert "engine" not in before.model_dump_json() and '"engine":"detectron2"' in after.model_dump_json()
    assert before.id != after.id and "-detectron2-" in after.id
    assert changed(before, engine="triplehead").id == before.id
    assert type(after).model_validate_json(after.model_dump_json()) == after
    assert own.specs["table6", "Ours"] == theirs.specs["table6", "Ours"]


def test_later_options_are_written_only_where_they_are_not_the_default():
    spec = load_plan({}).specs["table5", "FCOS"][0]
    assert "box_activation" not in spec.model_dump_json() and "rule" not in spec.model_dump()["detector"]["postprocess"]
    relu = changed(spec, detector={"head": spec.detector.head.model_dump() | {"box_activation": "relu"}})
    assert relu.detector.head.box_activation == "relu" and relu.id != spec.id
    assert "box_activation" in relu.model_dump_json()


def test_the_plan_does_not_import_it():
    code = "import sys, triplehead.plan.plan; sys.exit('detectron2' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


HIDE = (
    "import importlib.util as u, sys; f = u.find_spec\n"
    "u.find_spec = lambda n, *a: None if n == 'detectron2' else f(n, *a)\n"
)


def test_importing_the_bridge_without_it_is_one_line():
    done = subprocess.run([sys.executable, "-c", HIDE + "import triplehead.detectron2"], capture_output=True, text=True)
    assert done.returncode and "detectron2: cannot be imported here" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_other_tests_skip_without_it():
    """Also where a file is named alone; one line says why for all."""
    files = [str(file) for file in sorted(HERE.glob("test_*.py")) if file.name != ABSENT]
    code = HIDE + "import pytest; sys.exit(pytest.main([*sys.argv[1:], '-q', '-p', 'no:cacheprovider']))"
    for named in (files, [f"{HERE / 'test_losses.py'}::test_retinanet", "-m", "detectron2"]):
        done = subprocess.run([sys.executable, "-c", code, *named], capture_output=True, text=True)
        skips = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
        assert done.returncode == 0 and len(skips) == 1 and skips[0].endswith(REASON), done.stdout[-2000:]
        assert (int(skips[0].split("[")[1].split("]")[0]) > 1) == (named[0] in files)
