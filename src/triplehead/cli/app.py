"""Commands, and how an error becomes one line and an exit status."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO, cast

import typer
import yaml

from triplehead import __version__
from triplehead.cli.pipe import Pipe
from triplehead.errors import InputError, printable
from triplehead.jobs import handed_down
from triplehead.paths import EXPERIMENTS, RESULTS
from triplehead.plan.guard import OF_A_TRIAL, REMEMBERED, check_scale, remembered
from triplehead.plan.plan import Plan, load_plan
from triplehead.plan.schema import Config

app = typer.Typer(
    help="Reproduce the triple-head detector paper. Run from the project's root.",
    epilog="Example: triplehead status; docs/commands.md has one of each.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

# Click's, which Typer keeps in another place from version to version.
UsageError = cast(type[typer.BadParameter], typer.BadParameter.__mro__[1])

# The panels of --help, in its order.
LOOK, JOBS, MORE = PANELS = "To look at a study", "What Snakemake calls", "Beside it"


def _version(wanted: bool) -> None:
    if wanted:
        print(f"triplehead {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say the version, and end.")
    ] = False,
) -> None:
    """What a command line may say before its command."""


ConfigOption = Annotated[
    list[str] | None,
    typer.Option("--config", "-c", metavar="KEY=VALUE", help="As Snakemake's --config, for example seeds=2."),
]
ScaleOption = Annotated[
    str | None, typer.Option("--scale", help="Short for --config scale=NAME.", show_default="that of results/")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


ExtraOption = Annotated[
    str | None, typer.Option("--extra", metavar="DIR", help="Short for --config extra=DIR: your own experiments.")
]


def with_extra(items: list[str] | None, extra: str | None) -> list[str] | None:
    """The configuration with the folder that --extra names. Raises InputError if --config names another."""
    if extra is None:
        return items
    if (other := parse_config(items).get("extra", extra)) != extra:
        raise InputError("--extra", f"{extra}, but --config says extra={other}")
    return [*(items or []), f"extra={json.dumps(extra)}"]


def parse_config(items: list[str] | None) -> dict[str, Any]:
    """["scale=smoke", "seeds=2"] -> {"scale": "smoke", "seeds": 2}."""
    values = {}
    for item in items or []:
        key, equals, text = item.partition("=")
        if not equals:
            raise InputError("--config", f"expected KEY=VALUE, found {item!r}")
        try:
            values[key] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):  # no date, a number of thousands of digits
            values[key] = text
        except RecursionError:
            raise InputError("--config", f"{key}: is nested too deep") from None
    return values


def configuration(items: list[str] | None) -> dict[str, Any]:
    """What the command line says, what Snakemake hands to its jobs, and where neither names another scale, what the
    study in results/ was last started with, less a trial's settings where they do name its scale. Raises InputError
    where that has lost its scale or its folder."""
    given = handed_down() | parse_config(items)
    found = remembered()
    if handed_down() or given.get("scale", found.get("scale")) != found.get("scale"):
        return given
    if "scale" in given:
        found = {key: value for key, value in found.items() if key not in OF_A_TRIAL}
    if found and not (EXPERIMENTS / "scales" / f"{found['scale']}.yaml").is_file():
        raise InputError(
            RESULTS / REMEMBERED, f"names scale {found['scale']!r}, which is not below {EXPERIMENTS}/scales"
        )
    merged = found | given
    if "extra" not in given and (own := merged.get("extra")) is not None and not Path(own).is_dir():
        raise InputError(RESULTS / REMEMBERED, f"names extra={own}, which is no folder; put it back or say extra=null")
    return merged


def plan_from(items: list[str] | None) -> Plan:
    """The plan under `configuration`."""
    return load_plan(configuration(items))


def scale_line(plan: Plan) -> str:
    """The first line of what a command says: which scale it is about; what of --config is remembered from the study in
    results/; and where that is of another scale, which."""
    found = remembered()
    if found.pop("scale", plan.config.scale) != plan.config.scale:
        return f"Scale {plan.config.scale}; {RESULTS}/ is for scale {remembered()['scale']}"
    in_force = Config.model_validate(found)
    kept = [f"{key}={value}" for key, value in found.items() if getattr(plan.config, key) == getattr(in_force, key)]
    return ", ".join([f"Scale {plan.config.scale}", *kept])


def scaled(config: list[str] | None, scale: str | None, extra: str | None = None) -> Plan:
    """The plan at --scale, with the folder of --extra, where they are given. Raises InputError where --config says
    another."""
    config = with_extra(config, extra)
    if scale is None:
        return plan_from(config)
    if (other := parse_config(config).get("scale", scale)) != scale:
        raise InputError("--scale", f"{scale}, but --config says scale={other}")
    return plan_from([*(config or []), f"scale={scale}"])


def writing(config: list[str] | None, scale: str | None = None, extra: str | None = None) -> Plan:
    """The plan of a command that writes tables. Raises InputError where results/ holds another scale's."""
    plan = scaled(config, scale, extra)
    check_scale(plan.config)
    return plan


def commands() -> typer.Typer:
    """The application with all its commands."""
    from triplehead.cli import (  # noqa: F401  registers the commands
        bench,
        data,
        detectron2,
        inspect,
        ledger,
        new,
        plan,
        status,
        testdev,
        verify,
        work,
    )

    app.registered_commands.sort(key=lambda command: PANELS.index(command.rich_help_panel))
    return app


def misused(error: typer.BadParameter) -> str:
    """What is wrong with a command line, in one line; nothing where a group without a command has printed its help."""
    said = " ".join(error.format_message().replace("Value error, ", "").split()).removesuffix(".")
    if not said:
        return ""
    where = error.ctx.command_path if error.ctx else "triplehead"
    return printable(f"error: {where}: {said[:1].lower()}{said[1:]}")


def _fail(line: str) -> NoReturn:
    """Status 2, whoever hears the line."""
    try:
        if line:
            print(line, file=sys.stderr, flush=True)
    except OSError:  # its disk is full
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  as long as the program
    sys.exit(2)


def main() -> None:
    """Run a command; InputError exits with 2, as do mistakes in the command line, and Ctrl-C with 130."""
    # As an exception, so that what is half done is put away and MLflow learns of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if sys.stdout is None:  # closed: >&-
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  as long as the program
    sys.stdout = cast(TextIO, Pipe(sys.stdout))
    try:
        try:
            # Not standalone: Typer would draw a box around what is wrong with the command line.
            status = commands()(prog_name="triplehead", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except InputError as error:
        _fail(f"error: {error}")
    except UsageError as error:
        _fail(misused(error))
    except OSError as error:  # a folder that may not be read, a name that is too long
        _fail(printable(f"error: {error.filename or 'triplehead'}: {error.strerror or error}"))
    except KeyboardInterrupt:  # outside of the command itself, where Typer does the same
        sys.exit(128 + signal.SIGINT)
    sys.exit(status)
