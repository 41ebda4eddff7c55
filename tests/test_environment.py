"""environment.yml, pyproject.toml and constraints.txt say the same."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
# conda-forge only: detectron2 is on no package index. torch comes with either.
CONDA_ONLY = {"detectron2", "python", "pip"}
WITH_TORCHVISION = {"torch"}
USERS = ("slurm", "postgres")  # extras that the conda environment has as well


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


def required() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (requirement for extra in USERS for requirement in project["optional-dependencies"][extra])
    return {name_of(requirement) for requirement in (*project["dependencies"], *extras)}


def test_conda_and_pip_ask_for_the_same():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    conda = {name_of(entry) for entry in [*by_pip, *(e for e in entries if isinstance(e, str))]}
    # The wheel with its own libpq is PyPI's alone.
    assert conda - CONDA_ONLY == {name.removesuffix("-binary") for name in required()} - WITH_TORCHVISION


def test_every_requirement_is_pinned_without_addresses():
    lines = (ROOT / "constraints.txt").read_text().split("\n")
    pinned = {name_of(line) for line in lines if line}
    assert {name.replace("_", "-") for name in required()} <= {name.replace("_", "-") for name in pinned}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines if line)
