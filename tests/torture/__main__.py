"""`make torture`: what a reproduction may meet, done to a small one. Prints one table; status 1 if anything is lost."""

import argparse
import platform
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from tests.torture import faults, kills
from tests.torture.outcome import Outcome

from triplehead.paths import atomic
from triplehead.tracking.process import code_tags

RELIABILITY = Path("docs/reliability.md")
SHORT = {"SIGKILL to the whole process tree": 2, "SIGKILL to one job's process": 1}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--long", action="store_true", help="60 kills of the whole tree, and all else")
    parser.add_argument("--kills", type=int, default=60, help="of the whole tree in the long form")
    parser.add_argument("--seed", type=int, help="of the moments; drawn and printed if not given")
    parser.add_argument("--write", type=Path, help="a report of the outcome, for example docs/reliability.md")
    parser.add_argument("--only", help="faults whose name has this in it")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed
    console, begun = Console(), time.monotonic()
    console.print(f"seed of the moments: {seed}")
    with tempfile.TemporaryDirectory(prefix="triplehead torture ") as folder:  # a space, as users have them
        found = []
        for each in _outcomes(Path(folder), asked, random.Random(seed)):
            state = (each.skipped and f"skipped, {each.skipped}") or f"{each.survived} of {each.tried} survived"
            console.print(f"{time.monotonic() - begun:6.0f} s  {each.fault}: {state}")
            for problem in each.problems:
                console.print(f"         {problem}", markup=False, style="red")
            found.append(each)
    table = Table("fault", *(name for name in ("tried", "survived", "lost")), title="Torture")
    for each in found:
        row = ("skipped", "", "") if each.skipped else (str(each.tried), str(each.survived), str(each.lost))
        table.add_row(each.fault, *row)
    console.print(table)
    if asked.write:
        with atomic(asked.write) as file:
            file.write_text(document(found, seed, asked.long, time.monotonic() - begun))
    return int(any(each.lost for each in found))


def _outcomes(folder: Path, asked: argparse.Namespace, rng: random.Random):
    def wanted(name: str) -> bool:
        return asked.only is None or asked.only.lower() in name.lower()

    for name, action, is_short in faults.APART:
        if wanted(name) and (asked.long or is_short):
            (place := folder / f"apart {len(name)} {abs(hash(name))}").mkdir()
            yield action(name, place)
    counts = dict.fromkeys(kills.STRIKES, max(1, asked.kills // 4)) if asked.long else SHORT
    if asked.long:
        counts["SIGKILL to the whole process tree"] = asked.kills
    on_study = [entry for entry in faults.ON_STUDY if wanted(entry[0]) and (asked.long or entry[2])]
    struck = {name: count for name, count in counts.items() if wanted(name)}
    if not on_study and not struck:
        return
    study = kills.Study(folder / "a study")
    for name, action, _ in on_study:
        yield action(name, study)
    for name, count in struck.items():
        yield kills.killed(study, name, count, rng)


def document(found: list[Outcome], seed: int, is_long: bool, seconds: float) -> str:
    """The table as Markdown, with the date, the machine and the commit that it is of."""
    rows = [
        f"| {each.fault} | " + ("skipped: " + each.skipped + " | | |" if each.skipped else f"{each.tried} | {each.survived} | {each.lost} |")
        for each in found
    ]  # fmt: skip
    problems = [f"- {each.fault}: {problem}" for each in found for problem in each.problems]
    memory = psutil.virtual_memory().total / 2**30
    made = (
        f"Made by `make torture{' LONG=1' if is_long else ''}` on {datetime.now(UTC):%Y-%m-%d} in {seconds / 60:.0f} "
        f"minutes: {platform.system()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Python "
        f"{platform.python_version()}, code {code_tags()['code']}, seed of the moments {seed}."
    )
    parts = ["# Reliability", made, "What each fault means: [torture.md](torture.md)."]
    table = "\n".join(["| fault | tried | survived | lost |", "|---|---:|---:|---:|", *rows])
    lost = ["## What was lost\n\n" + "\n".join(problems)] if problems else []
    return "\n\n".join([*parts, table, *lost]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
