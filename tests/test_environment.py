"""environment.yml, pyproject.toml and constraints.txt say the same."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONDA_ONLY = {"detectron2", "python", "pip"}  # detectron2 is on no package index
CONDA_NAMES = {"pytorch": "torch", "psycopg2": "psycopg2-binary"}  # the wheel with its own libpq is PyPI's alone


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


def required() -> set[str]:
    """What the package and its extras (the dev tools) need, of pip's names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {name_of(each) for each in chain(project["dependencies"], *project["optional-dependencies"].values())}


def test_conda_and_pip_ask_for_the_same():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    conda = [*by_pip, *(CONDA_NAMES.get(entry, entry) for entry in entries if isinstance(entry, str))]
    assert len(conda) == len(set(conda))
    assert {name_of(entry) for entry in conda} - CONDA_ONLY == required()


def test_every_requirement_is_pinned_without_addresses():
    lines = (ROOT / "constraints.txt").read_text().split("\n")
    pinned = {name_of(line) for line in lines if line}
    assert {name.replace("_", "-") for name in required()} <= {name.replace("_", "-") for name in pinned}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines if line)
