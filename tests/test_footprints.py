"""Disk that runs take: counted once for each kind of model."""

import subprocess
import sys

import pytest

from triplehead import footprints as module
from triplehead.engine import footprint as counting
from triplehead.plan.plan import load_plan


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The runs whose model was built."""
    ids = []
    original = counting.footprint
    monkeypatch.setattr(counting, "footprint", lambda spec: ids.append(spec.id) or original(spec))
    return ids


def test_each_kind_is_counted_once_and_then_read(counted, tmp_path):
    plan = load_plan({"scale": "smoke"})
    first = module.footprints(plan, tmp_path / "cache.json")
    assert len(counted) == len({module.kind_of(run.spec) for run in plan.runs.values()}) < len(plan.runs)
    assert module.footprints(plan, tmp_path / "cache.json") == first
    assert len(counted) == len({module.kind_of(run.spec) for run in plan.runs.values()})


def test_runs_of_a_kind_take_the_same_disk(tmp_path):
    plan = load_plan({"scale": "smoke"})
    found = module.footprints(plan, tmp_path / "cache.json")
    for run_id, run in plan.runs.items():
        assert counting.footprint(run.spec) == found[run_id]


@pytest.mark.parametrize("content", ['{"x": [1e400, 1]}', "[" * 100_000])
def test_a_strange_cache_is_counted_anew(counted, tmp_path, content):
    cache = tmp_path / "cache.json"
    cache.write_text(content)
    assert module.footprints(load_plan({"scale": "smoke", "seeds": 1}), cache)
    assert counted


def test_a_broken_cache_is_counted_anew(counted, tmp_path):
    (tmp_path / "cache.json").write_text("[1, 2")
    assert module.footprints(load_plan({"scale": "smoke", "seeds": 1}), tmp_path / "cache.json")
    assert counted


def test_a_plan_that_was_counted_needs_no_torch(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = "import sys; from triplehead.cli import main\ntry: main()\nfinally: print('torch' in sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "plan", "-c", "scale=smoke"]
    said = [subprocess.run(command, capture_output=True, text=True).stderr.strip() for _ in range(2)]
    assert said == ["True", "False"]
