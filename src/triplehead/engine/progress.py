"""How far a training is: a bar on a terminal, a line now and then in a log."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINES = 10


class TrainingProgress:
    """On stderr: a bar on a terminal, else `LINES` lines of a whole training. A context; silent: says nothing."""

    def __init__(self, start: int, iterations: int, silent: bool = False):
        self.start, self.iterations, self.began = start, iterations, time.monotonic()
        console = Console(file=sys.stderr)
        self.on_terminal = console.is_terminal
        text = TextColumn("{task.fields[text]}")
        self.bar = Progress(
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            text,
            console=console,
            disable=silent or not self.on_terminal,
        )
        self.task = self.bar.add_task("train", total=iterations, completed=start, text="")

    def __enter__(self) -> "TrainingProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, done: int, losses: dict[str, float]) -> None:
        """After `done` iterations of the whole training; the seconds left are by those since `start`."""
        text = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.bar.update(self.task, completed=done, text=text)
        if not self.on_terminal and done % max(1, self.iterations // LINES) == 0:
            left = (time.monotonic() - self.began) / (done - self.start) * (self.iterations - done)
            print(f"{done}/{self.iterations}  {left:.0f} s left  {text}", file=sys.stderr, flush=True)
