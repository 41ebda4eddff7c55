"""Commands that messages name are about the study in force, and can be pasted."""

import ast
import re
from pathlib import Path

import pytest

from triplehead.errors import InputError
from triplehead.needs import download_hint
from triplehead.plan.datasets import read_dataset
from triplehead.plan.hints import command
from triplehead.plan.plan import load_plan


def test_the_usual_study_needs_no_more_words():
    assert load_plan().command("triplehead plan") == "`triplehead plan`"
    assert load_plan({"scale": "proxy", "seeds": None}).command("triplehead plan") == "`triplehead plan`"


def test_another_scale_and_what_else_decides_the_runs_is_carried_and_no_address():
    plan = load_plan({"scale": "smoke", "seeds": 2, "tracking_uri": "postgresql://me:secret@host/db"})
    assert plan.command("triplehead plan") == "`triplehead plan -c scale=smoke -c seeds=2`"
    assert plan.command("snakemake silence") == "`snakemake silence --config scale=smoke seeds=2`"
    with pytest.raises(
        InputError, match=r"no such run at scale smoke; see `triplehead plan -c scale=smoke -c seeds=2`"
    ):
        plan.run("nothing")


def test_what_config_yaml_says_is_not_repeated(experiments):
    file = experiments / "config.yaml"
    file.write_text(re.sub(r"^scale: proxy", "scale: smoke", file.read_text(), flags=re.M))
    assert load_plan(folder=experiments).command("triplehead plan") == "`triplehead plan`"
    assert load_plan({"scale": "proxy"}, experiments).command("triplehead plan") == "`triplehead plan -c scale=proxy`"


def test_a_folder_with_a_space_is_quoted():
    hint = download_hint(read_dataset("coco"), "coco", Path("/my data"))
    assert hint == "`triplehead data download coco -c 'data_root=/my data'` gets it"
    assert command("snakemake x", ["extra=my folder"]) == "`snakemake x --config 'extra=my folder'`"


def test_no_message_names_a_command_by_itself():
    """All but help texts and what is written into files go through `command`."""
    excused = {"cli/work.py", "cli/plan.py", "cli/reference.py", "detectron2/generate.py"}
    source, found = Path("src/triplehead"), set()
    for file in source.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        docs = {id(node.body[0].value) for node in ast.walk(tree)
                if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
            if is_text and re.search(r"`(triplehead|snakemake) ", node.value):
                found.add(str(file.relative_to(source)))
    assert found <= excused
