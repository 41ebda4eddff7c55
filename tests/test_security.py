"""Nobody is let in, nothing is executed, and nobody is told."""

import ast
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


MUST = {
    "torch.load": ("weights_only", True),
    "np.lib.format.read_array": ("allow_pickle", False),
    "yaml.load": ("Loader", "_Loader"),
}
NEVER = re.compile(
    r"(eval|exec|os\.(system|popen)|(c?[pP]ickle|marshal|joblib|dill|shelve)\.(loads?|open)|subprocess\.get\w*output|"
    r"pickle\.Unpickler|\w+\.(extractall|extract|unpack_archive)|torch\.hub\.load\w*|model_zoo\.load_url|"
    r"(ElementTree|etree|minidom|sax)\.(parse|fromstring|XML|iterparse|parseString)|tempfile\.mktemp|"
    r"ssl\._create_unverified_context|yaml\.(unsafe_load|full_load|load_all|unsafe_load_all))"
)


def _calls(file: Path) -> list[tuple[str, dict[str, object]]]:
    """Name and keywords of each call: the value of a constant, the text of anything else."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return [
        (
            ast.unparse(call.func),
            {word.arg or "**": getattr(word.value, "value", ast.unparse(word.value)) for word in call.keywords},
        )
        for call in calls
    ]


@pytest.mark.parametrize("folder", ["src", "benchmarks"])
def test_nothing_unpickles_runs_a_shell_or_trusts_what_it_reads(folder):
    seen = set()
    for file in ROOT.joinpath(folder).rglob("*.py"):
        for name, words in _calls(file):
            assert not NEVER.fullmatch(name), f"{file}: {name}"
            assert words.get("shell") in (None, False) and words.get("verify") in (None, True), f"{file}: {name}"
            assert words.get("allow_pickle") in (None, False), f"{file}: {name}"
            if name in MUST:
                word, value = MUST[name]
                assert words.get(word) == value, f"{file}: {name}"
                seen.add(name)
    assert folder != "src" or seen == MUST.keys()


def test_yaml_that_would_fill_the_memory_is_refused(tmp_path):
    from triplehead.errors import InputError
    from triplehead.plan.documents import read_yaml

    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"bomb\.yaml: holds more than 1,000,000 values"):
        read_yaml(tmp_path / "bomb.yaml")


def test_a_store_below_a_folder_that_sqlite_cannot_have_is_refused(tmp_path, monkeypatch):
    from triplehead.errors import InputError
    from triplehead.plan.plan import load_plan
    from triplehead.tracking.store import uri

    config = load_plan({"scale": "smoke"}).config
    (tmp_path / "mine?").mkdir()
    monkeypatch.chdir(tmp_path / "mine?")
    with pytest.raises(InputError, match=r"mlflow\.db: no SQLite store can lie below a folder with \? in its name"):
        uri(config)


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


def test_rules_quote_all_that_enters_a_shell_line():
    """Names of ours are checked words; what enters a shell line is quoted all the same."""
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        lines = re.findall(r'"(triplehead [^"]*)"', file.read_text())
        assert len(lines) == len(re.findall(r"\bshell:", file.read_text())), file
        for line in lines:
            for field in re.findall(r"\{([^}]*)\}", line):
                assert field.endswith(":q") or field == "threads", f"{file}: {line}"


def test_make_says_nothing_of_the_folder_to_a_shell(tmp_path):
    """Only relative places: the folder's name may be a command."""
    folder = tmp_path / "a $(touch owned) b"
    (folder / ".venv").mkdir(parents=True)
    (folder / "Makefile").write_text((ROOT / "Makefile").read_text())
    (folder / "pyproject.toml").touch()
    (folder / "constraints.txt").touch()
    (folder / ".venv" / "ready").touch()
    for target in ("reproduce", "smoke", "test", "lint", "torture", "mlflow", "bench", "bench-gpu"):
        done = subprocess.run(
            ["make", "-n", "--no-print-directory", target], cwd=folder, capture_output=True, text=True
        )
        assert not done.returncode and "owned" not in done.stdout, done.stdout + done.stderr


def test_wildcards_take_names_literally():
    found = []
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for _, block in re.findall(r"^( *)wildcard_constraints:\n((?:\1    .*\n)+)", file.read_text(), re.MULTILINE):
            found += re.findall(r"^ +\w+=(.*),$", block, re.MULTILINE)
    assert found and all(each.startswith(("one_of(", "one_of_runs(")) for each in found)


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


HOSTILE = ["$(touch owned)", "; touch owned", "`touch owned`", "a b", "-rf", "'", "A", "a\nb", "a|.*", "\u00e4"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_table_of_ones_own_is_refused(tmp_path, name):
    """It is part of the shell's lines."""
    (tmp_path / f"{name}.yaml").write_text("title: Mine\nbeside: table5\nrows: []\n")
    _refused({"extra": str(tmp_path)}, tmp_path, f"{name}.yaml", "table")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    ("kind", "original", "copy"),
    [
        ("table", "table1", "table1{}"),
        ("figure", "fig5", "fig5{}"),
        ("scale", "scales/smoke", "scales/{}"),
        ("detector", "detectors/fcos", "detectors/{}"),
    ],
)
def test_a_hostile_name_below_experiments_is_refused(experiments, kind, original, copy, name):
    file = experiments / f"{copy.format(name)}.yaml"
    file.write_bytes((experiments / f"{original}.yaml").read_bytes())
    _refused({"scale": file.stem if kind == "scale" else "smoke"}, file.parent, file.name, kind, experiments)


def _refused(config, folder, name, kind, *experiments):
    from triplehead.errors import InputError

    with pytest.raises(InputError) as caught:
        load_plan({"scale": "smoke"} | config, *experiments)
    assert str(caught.value).startswith(f"{folder}: {name!r} is no name of a {kind}; expected small letters, digits")
    assert "\n" not in str(caught.value)


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
