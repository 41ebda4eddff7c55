"""The learning curve of a run: means of the losses over a few iterations each."""

import time
from typing import Any

RECORDS = 200  # points of a curve


class History:
    """Collects losses by iteration; its state goes into checkpoints, so a resumed curve has no seam."""

    def __init__(self, iterations: int, state: dict[str, Any] | None = None):
        self.every = max(1, iterations // RECORDS)
        self.iterations = iterations
        self.records: list[dict[str, float]] = list(state["records"]) if state else []
        self.window: list[dict[str, float]] = list(state["window"]) if state else []

    def add(self, done: int, rate: float, losses: dict[str, float], last: bool = False) -> None:
        """Losses of the iteration that makes `done` of them; `last`: no other will come."""
        self.window.append(losses)
        if done % self.every == 0 or done == self.iterations or last:
            means = {name: sum(entry[name] for entry in self.window) / len(self.window) for name in losses}
            self.records.append({"iteration": done, "lr": rate, "time": time.time()} | means)
            self.window = []

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"records": self.records, "window": self.window}

    def csv(self) -> str:
        """Without times: the same spec gives the same text."""
        columns = [name for name in self.records[-1] if name != "time"]
        lines = [",".join(repr(record[name]) for name in columns) for record in self.records]
        return "\n".join([",".join(columns), *lines]) + "\n"
