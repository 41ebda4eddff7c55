"""Nobody is let in, nothing is executed, and nobody is told."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from triplehead.plan.plan import load_plan

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.joinpath("src").rglob("*.py"), *ROOT.joinpath("workflow").rglob("*.smk"), ROOT / "Snakefile"]


def test_every_server_binds_to_loopback():
    makefile = (ROOT / "Makefile").read_text()
    servers = [line for line in makefile.replace("\\\n", " ").splitlines() if "mlflow server" in line]
    assert servers and all("--host 127.0.0.1" in line for line in servers)
    for file in SOURCES:
        assert "0.0.0.0" not in file.read_text(), file


def test_nothing_unpickles_or_runs_a_shell():
    """torch.load only with weights_only; no pickle, eval or shell=True anywhere in the package."""
    for file in ROOT.joinpath("src").rglob("*.py"):
        text = file.read_text()
        for call in re.findall(r"torch\.load\(([^)]*)\)", text):
            assert "weights_only=True" in call, file
        assert not re.search(
            r"\bpickle\.loads?\(|shell=True|(?<![.\w])(?:eval|exec)\(|os\.system|allow_pickle=True", text
        ), file


def test_yaml_makes_no_objects():
    """A loader of ours is one of yaml.SafeLoader's kind."""
    from triplehead.errors import InputError
    from triplehead.plan.documents import read_yaml

    for text in ("a: !!python/object/apply:os.system ['true']", "a: !!python/name:os.system"):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            with pytest.raises(InputError):
                read_yaml(Path(file.name))


def test_rules_quote_what_is_not_a_checked_word():
    """Wildcards are constrained to names of ours; everything else that enters a shell line is quoted."""
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for line in re.findall(r'"(triplehead [^"]*)"', file.read_text()):
            for field in re.findall(r"\{([^}]*)\}", line):
                assert field.endswith(":q") or field.startswith("wildcards.") or field == "threads", f"{file}: {line}"


@pytest.mark.parametrize(
    "name", ["$(touch owned)", "a; touch owned", "`touch owned`", "../../owned", "a b", "-rf", "'\""]
)
def test_a_hostile_label_is_no_part_of_a_run_id(experiments, name):
    table = experiments / "table5.yaml"
    content = yaml.safe_load(table.read_text())
    content["rows"][0]["label"] = name
    table.write_text(yaml.safe_dump(content))
    for other in ("claims", "silence", "audit"):
        (experiments / f"{other}.yaml").unlink()
    for figure in experiments.glob("fig*.yaml"):
        figure.unlink()
    plan = load_plan({"scale": "smoke"}, experiments)
    ids = [run for (_, label), specs in plan.specs.items() if label == name for run in (spec.id for spec in specs)]
    assert ids and all(re.fullmatch(r"[A-Za-z0-9_.-]+", run) and not run.startswith("-") for run in ids)


@pytest.mark.parametrize("asked", [None, "false"])
def test_telemetry_is_off_unless_asked_for(asked):
    code = (
        "import os\nfrom triplehead.tracking.store import configure\nconfigure()\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\nprint(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    kept = {key: value for key, value in os.environ.items() if key not in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")}
    environment = kept | ({"MLFLOW_DISABLE_TELEMETRY": asked} if asked else {})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == (asked or "true"), done.stderr
