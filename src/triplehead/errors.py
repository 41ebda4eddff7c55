"""The one error that a user's input can cause."""

from pathlib import Path


class InputError(Exception):
    """Something outside the code is wrong: prints as one line, exits with status 2."""

    def __init__(self, where: str | Path, problem: str):
        super().__init__(where, problem)  # both, so that it survives a trip between processes

    def __str__(self) -> str:
        where, problem = self.args
        return f"{where}: {problem}"
