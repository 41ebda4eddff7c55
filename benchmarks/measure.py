"""Calls timed by turns in one process, so that a machine's moods meet all alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`ours` against `other`, median CPU seconds of each; ratio: other / ours by turns, median and quartiles."""

    subject: str
    ours: str
    other: str
    seconds: float
    other_seconds: float
    ratio: tuple[float, float, float]
    target: str = ""


def by_turns(calls: dict[str, Callable[[], object]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """CPU seconds of this process in each call, `rounds` times in turn, after `warmup` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warmup + rounds):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if number >= warmup:
                seconds[name].append(time.process_time() - start)
    return seconds


def compare(subject: str, calls: dict[str, Callable[[], object]], rounds: int, target: str = "") -> list[Result]:
    """The first call against each of the others."""
    seconds = by_turns(calls, rounds)
    ours, *others = seconds
    return [result(subject, ours, seconds[ours], other, seconds[other], target) for other in others]


def result(
    subject: str, ours: str, seconds: list[float], other: str, other_seconds: list[float], target: str = ""
) -> Result:
    ratios = [theirs / own for own, theirs in zip(seconds, other_seconds, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Result(
        subject, ours, other, statistics.median(seconds), statistics.median(other_seconds), (middle, low, high), target
    )
