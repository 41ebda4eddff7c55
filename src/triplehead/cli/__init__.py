"""The command line: `triplehead --help`."""

from triplehead.cli.app import main

__all__ = ["main"]
