"""The one error that a user's input can cause."""

import difflib
import re
import reprlib
from collections.abc import Iterable
from pathlib import Path


class InputError(Exception):
    """Something outside the code is wrong: prints as one line, exits with status 2."""

    def __init__(self, where: str | Path, problem: str):
        super().__init__(where, problem)  # both, so that it survives a trip between processes

    def __str__(self) -> str:
        where, problem = self.args
        return printable(f"{where}: {problem}")


def printable(text: str) -> str:
    """One line without a terminal's commands: what a file or a command line said is shown, not obeyed."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


_LONGEST = 200  # characters
_LOGIN = re.compile(r"://[^/@\s]*@")
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _LONGEST


def shown(value: object) -> str:
    """`repr` of what a file says, its middle left out where it is long: a message stays a line. Without the name and
    password in an address."""
    text = _LOGIN.sub("://", _SHORT.repr(value))  # of lists in lists it may still be long
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}...{text[-half:]}"


def nearest(name: str, allowed: Iterable[str]) -> str:
    """("jla-gian", ids) -> "did you mean jla-gain? "; empty where nothing is like it."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f"did you mean {close[0]}? " if close else ""
