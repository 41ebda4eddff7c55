"""A message is one line, whatever it quotes."""

import pickle

import pytest
from typer.testing import CliRunner

from triplehead.cli.app import commands, main
from triplehead.errors import InputError
from triplehead.plan.plan import load_plan


def test_what_a_file_says_is_shown_not_obeyed():
    error = InputError("a\nb.yaml", "metrics: c\r\x1b[2J\u202e\udc80 is not a metric; × and Größe stay")
    said = r"a\nb.yaml: metrics: c\r\x1b[2J\u202e\udc80 is not a metric; × and Größe stay"
    assert str(error) == said == str(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("metrics: [AP]", 'metrics: ["a\\nb\\e[2J"]'),
        ("spec: {detector: fcos}", 'spec: {detector: fcos, "a\\nb\\e[2J": 1}'),
        ("label: FCOS", '"a\\nb\\e[2J": FCOS'),
    ],
)
def test_keys_and_metrics_of_experiments(tmp_path, line, said):
    own = "kind: scores\ntitle: x\nmetrics: [AP]\nrows:\n  - label: FCOS\n    spec: {detector: fcos}\n"
    (tmp_path / "mine.yaml").write_text(own.replace(line, said))
    with pytest.raises(InputError) as caught:
        load_plan({"scale": "smoke", "extra": str(tmp_path)})
    assert str(caught.value).isprintable() and r"a\nb\x1b[2J" in str(caught.value)


def test_words_of_a_command_line(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["triplehead", "plan", "--a\x1b[2Jb"])
    with pytest.raises(SystemExit) as status:
        main()
    said = capsys.readouterr().err
    assert status.value.code == 2 and said.rstrip("\n").isprintable()


@pytest.mark.parametrize("text", ["x", "[1]", "", "{", "[" * 100_000])
def test_a_configuration_that_no_snakemake_handed_down(monkeypatch, text):
    monkeypatch.setenv("TRIPLEHEAD_CONFIG", text)
    error = CliRunner().invoke(commands(), ["plan"]).exception
    assert isinstance(error, InputError)
    assert str(error).startswith("TRIPLEHEAD_CONFIG: expected a JSON object of --config's keys, found ")
    assert len(str(error)) < 300
