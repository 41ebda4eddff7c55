"""Standard output into a pipe whose reader may have seen enough (`triplehead plan | head`), or onto a full disk."""

import os
import signal
import sys
from typing import Any, NoReturn, TextIO

from triplehead.errors import InputError

READER_GONE = 128 + signal.SIGPIPE  # as the shell says of other programs


class Pipe:
    """A stream that ends the program without a word once nobody reads on, and in one line where nothing more can be
    written. Not by the signal itself, which would end a training, too, whose MLflow server hangs up; nor by the
    exception, which Rich and Typer make status 1."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._end(error)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError) -> NoReturn:
        with open(os.devnull, "w") as nowhere:  # for what is still in the buffer
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(READER_GONE)
        raise InputError("standard output", f"cannot be written ({error.strerror})") from error
