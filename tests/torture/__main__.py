"""`make torture`: what a reproduction may meet, done to a small one. Prints one table; status 1 if anything is lost."""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from tests.torture import kills
from tests.torture.outcome import Outcome
from tests.torture.page import Page
from tests.torture.registry import FAULTS, SHORT, SMOKE, Bench


def main() -> int:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--long", action="store_true", help="all else, and the smoke DAG killed 60 times in each way")
    parser.add_argument("--kills", type=int, help="of the smoke DAG, of each kind (60)")
    parser.add_argument("--seed", type=int, help="of the moments; drawn and printed if not given")
    parser.add_argument(
        "--write", type=Path, metavar="PAGE",
        help="a page that the outcomes are added to as they come, for example docs/reliability.md; "
        "what it has of this commit is not done again",
    )  # fmt: skip
    parser.add_argument("--only", nargs="+", metavar="WORDS", help="faults whose name has one of these in it")
    asked = parser.parse_args()
    if not any(_wanted(asked, name) for name in _names(asked.long)):
        parser.error(f"--only: no fault of this form has {' or '.join(map(repr, asked.only))} in its name")
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    console, begun = Console(), time.monotonic()
    console.print(f"seed of the moments: {seed}")
    page, found = Page(asked.write), {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with (
        tempfile.TemporaryDirectory(prefix="triplehead torture ") as folder,
        _nobody_left(folder),
    ):  # a space, as users have
        last = time.monotonic()
        for outcomes in _outcomes(Bench(Path(folder)), asked, page, seed):
            seconds, last = time.monotonic() - last, time.monotonic()
            for each in outcomes:
                state = (each.skipped and f"skipped, {each.skipped}") or f"{each.survived} of {each.tried} survived"
                console.print(f"{last - begun:6.0f} s  {each.fault}: {state}", highlight=False)
                for problem in each.problems:
                    console.print(f"         {problem}", markup=False, style="red")
                found[each.fault] = found[each.fault] + each if each.fault in found else each
                page.add(each, seed, seconds * each.tried / (sum(one.tried for one in outcomes) or 1))
    table = Table("fault", *(name for name in ("tried", "survived", "lost")), title="Torture")
    for each in found.values():
        row = ("skipped", "", "") if each.skipped else (str(each.tried), str(each.survived), str(each.lost))
        table.add_row(each.fault, *row)
    console.print(table)
    return int(any(each.lost for each in found.values()))


@contextmanager
def _nobody_left(folder: str) -> Iterator[None]:
    """Studies have sessions of their own, which a harness that is stopped would leave at work."""
    try:
        yield
    finally:
        here = os.path.realpath(folder)
        while below := [each for each in psutil.process_iter(["cwd"]) if (each.info["cwd"] or "").startswith(here)]:
            for process in below:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(below, timeout=30)


def _wanted(asked: argparse.Namespace, name: str) -> bool:
    return asked.only is None or any(words.lower() in name.lower() for words in asked.only)


def _names(long: bool) -> list[str]:
    return [fault.name for fault in FAULTS if long or fault.short] + SHORT * (not long)


def _outcomes(bench: Bench, asked: argparse.Namespace, page: Page, seed: int) -> Iterator[list[Outcome]]:
    """One after the other; of kills those of one study together."""
    pool = [] if asked.long else [name for name in SHORT if _wanted(asked, name)]
    for fault in FAULTS:
        if not ((asked.long or fault.short) and _wanted(asked, fault.name)):
            continue
        left = ((fault.run is None and asked.kills) or fault.times) - page.tried(fault.name)
        if left <= 0:
            print(f"          {fault.name}: done at this commit", flush=True)
        elif fault.run is None:
            pool += [fault.name.removesuffix(SMOKE)] * left
        else:
            rng = random.Random(f"{seed} {fault.name} {page.tried(fault.name)}")
            for each in fault.run(fault.name, bench, left, rng):
                yield [each]
    if pool:
        # Of moments that another part has had already there are no more to learn.
        rng = random.Random(f"{seed} {len(pool)}")
        in_a_row = kills.IN_A_ROW if asked.long else (len(pool), len(pool))
        for outcomes in kills.killed(bench.smoke if asked.long else bench.study, pool, rng, in_a_row):
            yield [replace(each, fault=each.fault + SMOKE * asked.long) for each in outcomes]


if __name__ == "__main__":
    sys.exit(main())
