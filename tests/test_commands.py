"""docs/commands.md and --help: every command, every option, an example of each, and how they end."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from triplehead.cli.app import commands
from triplehead.cli.reference import reference, walk

ROOT = typer.main.get_command(commands())
COMMANDS = dict(walk(ROOT, "triplehead"))


def groups(command, name=()):
    if hasattr(command, "commands"):
        yield name, command
        for key, each in command.commands.items():
            yield from groups(each, (*name, key))


def test_the_document_is_what_the_commands_say():
    assert Path("docs/commands.md").read_text() == reference() + "\n", (
        "python -m triplehead.cli.reference > docs/commands.md"
    )


def test_the_document_has_every_command_and_every_option():
    sections = dict(re.findall(r"^## (triplehead [^\n]+)\n(.*?)(?=^## |\Z)", reference(), re.M | re.S))
    assert sections.keys() == COMMANDS.keys() and len(sections) > 20
    for name, command in COMMANDS.items():
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option == "--help" or re.search(rf"`{option}[ `]", sections[name]), (name, option)


@pytest.mark.parametrize("name", [*COMMANDS, *(" ".join(("triplehead", *path)) for path, _ in groups(ROOT))])
def test_help_ends_with_an_example_and_says_what_each_parameter_is(name):
    help_text = CliRunner().invoke(commands(), [*name.split()[1:], "--help"], env={"COLUMNS": "200"}).output
    last = help_text.strip().splitlines()[-1]
    assert last.strip().startswith(f"Example: {name}"), help_text
    for parameter in COMMANDS[name].params if name in COMMANDS else ():
        assert parameter.help, parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_is_a_call_of_the_command(name):
    words = shlex.split(COMMANDS[name].epilog.removeprefix("Example: "))
    path = name.split()
    assert words[: len(path)] == path
    COMMANDS[name].make_context(name, words[len(path) :])  # raises for an option that there is not


def test_only_verify_ends_with_status_1_by_its_own_will():
    exits = {file.stem for file in Path("src/triplehead/cli").glob("*.py") if "typer.Exit(" in file.read_text()}
    assert exits == {"verify"}
