"""Standard output into a pipe whose reader may have seen enough: `triplehead plan | head`."""

import os
import signal
import sys
from typing import Any, NoReturn, TextIO

READER_GONE = 128 + signal.SIGPIPE  # as the shell says of other programs


class Pipe:
    """A stream that ends the program without a word once nobody reads on. Not by the signal itself, which would end a
    training, too, whose MLflow server hangs up; nor by the exception, which Rich and Typer make status 1."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._end()

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._end()

    def _end(self) -> NoReturn:
        with open(os.devnull, "w") as nowhere:  # for what is still in the buffer
            os.dup2(nowhere.fileno(), self._stream.fileno())
        sys.exit(READER_GONE)
