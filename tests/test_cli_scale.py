"""Which scale a command is about: what it is told, else what results/ holds, else experiments/config.yaml."""

import json

import pytest
from typer.testing import CliRunner

from triplehead.cli.app import commands, plan_from
from triplehead.errors import InputError
from triplehead.jobs import hand_down
from triplehead.paths import RESULTS, RUNS
from triplehead.plan.guard import remember
from triplehead.plan.plan import load_plan

LOOKING = [("status",), ("plan",), ("plan", "--power"), ("plan", "--silence"), ("claims",), ("verify",)]


@pytest.fixture
def folder(experiments, monkeypatch):
    """A project whose results are of the smoke scale."""
    monkeypatch.chdir(experiments.parent)
    remember(load_plan({"scale": "smoke"}).config, {})


def first_line(*arguments: str) -> str:
    return CliRunner().invoke(commands(), arguments).output.splitlines()[0]


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_the_scale_of_results_holds_and_is_the_first_thing_said(command, folder):
    assert first_line(*command) == "Scale smoke"
    other = "Scale mini; results/ is for scale smoke"
    assert first_line("data", "check") == "Scale smoke"
    assert first_line(*command, "--scale", "mini") == first_line(*command, "-c", "scale=mini") == other


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_without_results_it_is_the_configured_one(command, experiments, monkeypatch):
    monkeypatch.chdir(experiments.parent)
    assert first_line(*command) == "Scale proxy"


def test_json_says_it_too(folder):
    for command in (("status",), ("plan",), ("plan", "--power"), ("verify",)):
        assert json.loads(CliRunner().invoke(commands(), [*command, "--json"]).stdout)["scale"] == "smoke"
    entries = json.loads(CliRunner().invoke(commands(), ["claims", "--json"]).stdout)
    assert {entry["scale"] for entry in entries} == {"smoke", "paper architecture"}


def test_a_job_has_the_scale_of_its_snakemake(folder, monkeypatch):
    monkeypatch.setenv("TRIPLEHEAD_CONFIG", "")
    monkeypatch.setenv("PATH", "")
    hand_down({"scale": "mini"})
    assert plan_from(None).config.scale == "mini"
    assert plan_from(["scale=proxy"]).config.scale == "proxy"


@pytest.mark.parametrize(
    "command",
    [("table", "table4"), ("figure", "fig4"), ("report",), ("speed", "table3"), ("silence",), ("claims", "--write")],
    ids=" ".join,
)
def test_no_command_writes_tables_of_another_scale(command, folder):
    with pytest.raises(InputError, match="found mini, but results/ is for scale smoke"):
        CliRunner().invoke(commands(), [*command, "-c", "scale=mini"], catch_exceptions=False)
    assert [file.name for file in RESULTS.iterdir()] == ["config.json"]


def test_a_table_by_hand_is_of_the_scale_of_results(folder):
    assert CliRunner().invoke(commands(), ["table", "table4"]).exit_code == 0
    assert CliRunner().invoke(commands(), ["claims", "--write"]).exit_code == 0
    assert ",smoke," in (RESULTS / "claims.csv").read_text()
    replaced = CliRunner().invoke(commands(), ["claims", "--write", "-c", "scale=mini", "-c", "other_scale=replace"])
    assert replaced.exit_code == 0 and ",mini," in (RESULTS / "claims.csv").read_text()


def test_a_trials_settings_are_no_part_of_a_scale_that_is_named(folder):
    """Where things lie, whether they are a sample and how many seeds there are is remembered all the same."""
    config = {"scale": "smoke", "iterations": 3, "data_complete": "false", "data_root": "images", "seeds": 2}
    remember(load_plan(config).config, config)
    assert first_line("status") == "Scale smoke, data_complete=false, data_root=images, iterations=3, seeds=2"
    assert first_line("plan") == "Scale smoke, data_complete=false, data_root=images, iterations=3, seeds=2"
    named = plan_from(["scale=smoke"])
    assert (named.config.iterations, named.config.data_complete, named.config.data_root) == (None, False, "images")
    assert first_line("plan", "--scale", "smoke") == "Scale smoke, data_complete=false, data_root=images, seeds=2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", r'config\.json: expected \{"scale": name\}'),
        ('{"scale": 5}', r'config\.json: expected \{"scale": name\}'),
        ('{"scale": "smoke", "tracking_uri": "http://me:secret@host"}', "and keys of --config"),
        ('{"scale": "smoke", "extra": "gone"}', r"config\.json: names extra=gone, which is no folder"),
        ('{"scale": "gone"}', r"config\.json: names scale 'gone', which is not below experiments/scales"),
    ],
)
def test_a_broken_note_of_it_is_named(text, problem, folder):
    (RESULTS / "config.json").write_text(text)
    with pytest.raises(InputError, match=problem):
        plan_from(None)


def test_the_configuration_of_results_holds_too(folder, experiments):
    assert CliRunner().invoke(commands(), ["new", "assigner", "mine"]).exit_code == 0
    given = {"scale": "smoke", "seeds": 2, "extra": "my_experiments"} | {
        "other_scale": "replace",
        "tracking_uri": "http://me:secret@host",
    }
    remember(load_plan({"scale": "smoke"}).config, given)
    assert "secret" not in (RESULTS / "config.json").read_text()
    plan = plan_from(None)
    assert (plan.config.seeds, plan.config.extra, plan.config.other_scale) == (2, "my_experiments", "refuse")
    assert "mine" in plan.exhibits
    assert first_line("status") == "Scale smoke, extra=my_experiments, seeds=2"
    assert first_line("status", "-c", "seeds=1", "-c", "extra=null") == "Scale smoke"
    assert first_line("status", "--scale", "smoke") == "Scale smoke, extra=my_experiments, seeds=2"
    assert first_line("status", "--scale", "mini") == "Scale mini; results/ is for scale smoke"


def test_verdicts_on_small_data_say_so(experiments, monkeypatch):
    monkeypatch.chdir(experiments.parent)
    plan = load_plan()
    for label, ap in (("JLA", 34.0), ("Baseline", 30.0)):
        for spec in plan.specs["table5", label]:
            folder = RUNS / spec.id
            folder.mkdir(parents=True)
            (folder / "scores.json").write_text(json.dumps({"AP": ap + spec.seed / 10, "AP75": None}))
    said = CliRunner().invoke(commands(), ["claims"]).output
    assert "4 supported" in said
    assert "Verdicts on scores are about the mechanism on small data, not about COCO." in " ".join(said.split())
    one = CliRunner().invoke(commands(), ["claims", "jla-gain"]).output
    one = " ".join(one.split())
    assert "verdict: supported" in one and "says: As claimed: the interval over seeds shows a gain" in one
