"""The command line: `triplehead --help`. Light to import: what is imported here, Ctrl-C meets unprepared."""

import os
import signal


def main() -> None:
    """Run a command. Ctrl-C before it begins ends the program at once: nothing is half done, and an exception in the
    midst of an import may be lost or turned into another."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # not where it is ignored, as behind a shell's &
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
    from triplehead.cli import app

    app.commands()
    signal.signal(signal.SIGINT, usual)
    app.main()
