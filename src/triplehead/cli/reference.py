"""docs/commands.md, from the commands themselves: python -m triplehead.cli.reference > docs/commands.md"""

from collections.abc import Iterator
from typing import Any

import typer.main

from triplehead.cli.app import commands

HEAD = """\
# Commands

Written by `python -m triplehead.cli.reference > docs/commands.md`. All are run from the project's root. `triplehead
--help` and `triplehead COMMAND --help` say the same; `triplehead --version` its version; `triplehead
--install-completion` teaches the shell to complete them; `python -m triplehead` is the same program. What to do about
an error: [troubleshooting.md](troubleshooting.md).

`--config` (`-c`) takes what Snakemake's `--config` takes, once for each key: what `experiments/config.yaml` says holds
otherwise. A command is about the study in `results/`, as Snakemake was last started there: its scale, seeds, `extra`
and so on need not be said again (`results/config.json`), and the first line of what is printed names them. Tables of
another scale than that of `results/` are not written.
RUN stands for a run's id, as `triplehead plan` lists them, DATA and BACKBONE for a name below `results/data/` and
`results/pretrained/`.

| exit status | |
|---|---|
| 0 | done |
| 1 | `verify`: a row is outside its band or not measured, or a file was edited; else something unforeseen |
| 2 | mistakes in the input or the command line, in one line, `error: where: what`; `data check`: something is missing |
| 130 | ended by Ctrl-C |
| 141 | whoever read its output through a pipe has stopped, as `head` does; nothing is said |
| 143 | ended by SIGTERM; what was half done is put away |
"""


def reference() -> str:
    """The document: how the commands end and which have --json, then each with its arguments, options and example."""
    found = dict(walk(typer.main.get_command(commands()), "triplehead"))
    json = ", ".join(f"`{name.removeprefix('triplehead ')}`" for name, command in found.items() if _has_json(command))
    return "\n".join([HEAD, f"`--json` prints one document to standard output: {json}.", *map(_section, found.items())])


def walk(command, name: str) -> Iterator[tuple]:
    """(name, command) of each command below a group, by name; the group itself is none."""
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below:
        yield name, command
    for key in sorted(below):
        yield from walk(below[key], f"{name} {key}")


def _has_json(command) -> bool:
    return any("--json" in parameter.opts for parameter in command.params)


def _section(item: tuple) -> str:
    name, command = item
    lines = [f"\n## {name}", "", _text(command.help), ""]
    arguments_first = sorted(command.params, key=lambda parameter: parameter.param_type_name)
    rows = [_row(parameter) for parameter in arguments_first if "--help" not in parameter.opts]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join([*lines, f"    {command.epilog.removeprefix('Example: ')}"])


def _row(parameter) -> str:
    """An argument or an option, what it takes, what it says in --help, and what holds without it."""
    if parameter.param_type_name == "argument":
        named = f"`{parameter.name.removesuffix('_id').upper()}`"
        named += "" if parameter.required else ", or none"
    else:
        takes = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        named = ", ".join(f"`{option}{takes}`" for option in parameter.opts).replace("|", r"\|")
    return f"| {named} | {_text(parameter.help)}{_default(parameter)} |"


def _text(said: str) -> str:
    """On one line, and not taken for HTML."""
    return " ".join(said.split()).replace("<", r"\<")


def _default(parameter) -> str:
    if isinstance(parameter.show_default, str):
        return f" Default: {parameter.show_default}."
    if parameter.default in (None, False) or callable(parameter.default):
        return " Required." if parameter.required and parameter.param_type_name == "option" else ""
    return f" Default: {parameter.default}."


if __name__ == "__main__":
    print(reference())
