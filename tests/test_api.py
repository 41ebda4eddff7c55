"""docs/api.md: what it names is there, and its example runs."""

import re
from importlib import import_module

import pytest
from tests.conftest import ROOT

from triplehead.analysis.tables import table_frame, write_csv
from triplehead.detectors.dense import DenseDetector
from triplehead.plan.plan import Plan, load_plan
from triplehead.plan.runs import RunSpec

TEXT = (ROOT / "docs" / "api.md").read_text()
NAMES = {
    module: re.findall(r"`(\w+)`", names) for module, names in re.findall(r"^\| `([\w.]+)` \| (.+) \|$", TEXT, re.M)
}
MEMBERS = {  # of which class the other names are
    "triplehead.plan.plan": Plan,
    "triplehead.plan.runs": RunSpec,
    "triplehead.detectors.dense": DenseDetector,
}


@pytest.mark.parametrize("module", NAMES)
def test_what_it_names_is_there(module):
    known = {*dir(import_module(module))}
    if owner := MEMBERS.get(module):
        known |= {*dir(owner), *owner.__annotations__}
    assert NAMES[module] and set(NAMES[module]) <= known


def test_its_example_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    plan = load_plan({"scale": "smoke"})
    for run in plan.run_ids("table5"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "scores.json").write_text('{"AP": 12.5, "AP50": 30.0, "AP75": 10.0}')
    write_csv(table_frame(plan, "table5", tmp_path / "runs"), tmp_path / "results" / "table5.csv")
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/api.md", "exec"), {})
    said = capsys.readouterr().out
    assert int(re.match(r"(\d+) positives; ", said)[1]) > 0
    assert "40.3" in said and "12.5" in said and "JLA + triple head" in said
