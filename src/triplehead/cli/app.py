"""Commands, and how an error becomes one line and an exit status."""

import json
import signal
import sys
from typing import Annotated, Any

import typer
import yaml

from triplehead.errors import InputError
from triplehead.jobs import handed_down
from triplehead.plan.plan import Plan, load_plan

app = typer.Typer(
    help="Reproduce the triple-head detector paper. Run from the project's root.",
    epilog="Example: triplehead status; docs/commands.md has one of each.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[
    list[str] | None,
    typer.Option("--config", "-c", metavar="KEY=VALUE", help="As Snakemake's --config, for example scale=smoke."),
]
ScaleOption = Annotated[str | None, typer.Option("--scale", help="Short for --config scale=NAME.")]
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
        except yaml.YAMLError:
            values[key] = text
    return values


def plan_from(items: list[str] | None) -> Plan:
    """The plan under the configuration that Snakemake hands to its jobs and what the command line adds."""
    return load_plan(handed_down() | parse_config(items))


def scaled(config: list[str] | None, scale: str | None) -> Plan:
    """The plan at --scale, where it is given. Raises InputError where --config says another."""
    if scale is None:
        return plan_from(config)
    if (other := parse_config(config).get("scale", scale)) != scale:
        raise InputError("--scale", f"{scale}, but --config says scale={other}")
    return plan_from([*(config or []), f"scale={scale}"])


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

    return app


def main() -> None:
    """Run a command; InputError exits with 2, as do mistakes in the command line."""
    # As an exception, so that what is half done is put away and MLflow learns of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        commands()()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
