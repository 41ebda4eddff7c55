"""`triplehead new`: what it writes passes its own test and our linter, and it overwrites nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.test_cli import triplehead

from triplehead.cli.new import Part, new
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan

ROOT = Path(__file__).parents[1]
PARTS = ("assigner", "head", "loss")


@pytest.fixture
def written(tmp_path) -> Path:
    folder = tmp_path / "my experiments"
    for part in PARTS:
        result = triplehead("new", part, f"my_{part}", "--into", str(folder))
        assert result.returncode == 0, result.stderr
        assert f"wrote {folder / f'my_{part}.py'}" in result.stdout
        assert f"results/my_{part}.csv --config scale=smoke 'extra={folder}'" in result.stdout  # as a shell wants it
    return folder


def test_all_or_nothing(tmp_path, monkeypatch):
    def full(self, text, *_, **__):
        if self.name.startswith(".mine_figure"):
            raise OSError(28, "No space left on device")
        return real(self, text, encoding="utf-8")

    real = Path.write_text
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="cannot be written"):
        new(Part.assigner, "mine", tmp_path / "my")
    assert not list((tmp_path / "my").iterdir())
    monkeypatch.undo()
    new(Part.assigner, "mine", tmp_path / "my")


def test_it_passes_its_own_tests_from_anywhere(written, tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and "11 passed" in result.stdout, result.stdout


def test_its_code_and_tables_are_well_formed(written):
    for command in (("check", "--config", str(ROOT / "pyproject.toml")), ("format", "--check", "--line-length", "120")):
        result = subprocess.run([sys.executable, "-m", "ruff", *command, str(written)], capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    assert not [
        file
        for file in written.iterdir()
        if "__" in file.read_text().replace("__init__", "").replace("__call__", "").replace("__file__", "")
    ]
    plan = load_plan({"scale": "proxy", "extra": str(written)})
    paper = load_plan({"scale": "proxy"})
    for part in PARTS:
        assert len(plan.specs[f"my_{part}", f"My {part.capitalize()}"]) == 3
        assert plan.exhibits[f"my_{part}_figure"].drawn_as is not None
    assert len(plan.runs) == len(paper.runs) + 9
    assert len(plan.claims.claims) == len(paper.claims.claims) + 6
    own = [claim.quantity.model_dump_json() for claim in plan.claims.claims if claim.id in plan.own]
    assert len(own) == len(set(own)) == 6  # none is written twice


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("assigner", "Mine"), "Mine: is no name of a module"),
        (("assigner", "class"), "class: is no name of a module"),
        (("assigner", "test_it"), "test_it: is no name of a module"),
        (("assigner", "claims"), "claims: is the name of something else"),
        (("assigner", "table5"), "table5: is a table or figure of the paper's"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(tmp_path, arguments, message):
    result = triplehead("new", *arguments, "--into", str(tmp_path / "mine"))
    assert result.returncode == 2 and result.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "mine").exists()


def test_outside_of_the_projects_root_it_writes_nothing(tmp_path):
    result = triplehead("new", "assigner", "mine", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "error: experiments: no such folder; run from the project's root\n"
    assert not list(tmp_path.iterdir())


def test_it_overwrites_nothing(tmp_path):
    folder = tmp_path / "mine"
    assert triplehead("new", "assigner", "mine", "--into", str(folder)).returncode == 0
    before = {file.name: file.read_text() for file in folder.iterdir()}
    (folder / "other.yaml").touch()
    for name in ("mine", "other"):
        result = triplehead("new", "head", name, "--into", str(folder))
        assert result.returncode == 2 and "is there already" in result.stderr
    (folder / "other.yaml").unlink()
    assert {file.name: file.read_text() for file in folder.iterdir()} == before


def test_extra_is_short_for_its_configuration(written):
    found = triplehead("plan", "--json", "--scale", "smoke", "--extra", str(written))
    assert found.stdout == triplehead("plan", "--json", "-c", "scale=smoke", "-c", f"extra={written}").stdout
    assert "smoke-coco-fcos-MyAssigner-s0-" in found.stdout
    clash = triplehead("plan", "--extra", str(written), "-c", "extra=elsewhere")
    assert clash.returncode == 2 and "--extra: " in clash.stderr and "but --config says extra=elsewhere" in clash.stderr
    claims = triplehead("claims", "-c", "scale=smoke", "--extra", str(written))
    assert claims.returncode == 0 and "My Loss gains over JLA" in claims.stdout
