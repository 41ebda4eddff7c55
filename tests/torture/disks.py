"""Disks that are full or turn read-only, for real: small file systems of their own, which root alone may mount."""

import errno
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.torture.checks import lost
from tests.torture.kills import Study
from tests.torture.outcome import Outcome, outcome
from tests.torture.project import PATIENCE, Project, tree_killed

from triplehead.engine import checkpoint
from triplehead.errors import InputError

NOT_ROOT = "needs root and mount"
SQLITES = {  # SQLite's own words
    os.strerror(errno.ENOSPC): "database or disk is full",
    os.strerror(errno.EROFS): "attempt to write a readonly database",
}
LEFT = 256 << 10  # bytes that a filled disk has left: room for lines in a log, for no training state


def full_disk(name: str, folder: Path) -> Outcome:
    """A state that does not fit: one line, no half-written file, and the state before is still there."""
    with Tmpfs(folder, "size=1m") as mounted:
        if not mounted:
            return Outcome(name, skipped=NOT_ROOT)
        state = folder / "state.pt"
        checkpoint.save_state(state, "run", data="d", step=1)
        problems = _refused(lambda: checkpoint.save_state(state, "run", data="d", step=2, much=bytes(4 << 20)))
        if checkpoint.load_state(state, "run", "d")["step"] != 1:
            problems.append("the state before is gone")
        problems += [f"{path.name} is left over" for path in folder.iterdir() if path.name.endswith(".tmp")]
        return outcome(name, problems)


def read_only(name: str, folder: Path) -> Outcome:
    """A folder that turned read-only while a study ran: one line, and what lies there stays."""
    with Tmpfs(folder, "size=4m") as mounted:
        if not mounted:
            return Outcome(name, skipped=NOT_ROOT)
        checkpoint.save_state(folder / "state.pt", "run", data="d", step=1)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        problems = _refused(lambda: checkpoint.save_state(folder / "state.pt", "run", data="d", step=2))
        if checkpoint.load_state(folder / "state.pt", "run", "d")["step"] != 1:
            problems.append("the state before is gone")
        return outcome(name, problems)


Harm = Callable[[Path, subprocess.Popen], None]


def full_in_the_middle(name: str, study: Study, times: int, rng: random.Random) -> Iterator[Outcome]:
    """Another folder with the same study, on a disk that fills at some moment and stays full until the study ends."""

    def fill(folder: Path, process: subprocess.Popen) -> None:
        _filled(folder / "filler", process)
        (folder / "filler").unlink()

    return _harmed(name, study, times, rng, ".", fill, os.strerror(errno.ENOSPC))


def read_only_in_the_middle(name: str, study: Study, times: int, rng: random.Random) -> Iterator[Outcome]:
    """The same with a results folder that turns read-only."""

    def turn(folder: Path, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + PATIENCE
        results = str(folder / "results")
        # Busy while a file in it is open for writing.
        while subprocess.run(["mount", "-o", "remount,ro", results], capture_output=True).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                return
        _waited(process, deadline)
        subprocess.run(["mount", "-o", "remount,rw", results], check=True)

    return _harmed(name, study, times, rng, "results", turn, os.strerror(errno.EROFS))


def _harmed(
    name: str, study: Study, times: int, rng: random.Random, place: str, harm: Harm, reason: str
) -> Iterator[Outcome]:
    """`times` studies whose `place` is a disk of its own. One that did not meet the harm does not count."""
    tried = number = 0
    while tried < times:
        number += 1
        folder = study.project.folder.with_name(f"{study.project.folder.name}, {place} disk {number}")
        (folder / place).mkdir(parents=True)
        with Tmpfs(folder / place, "size=128m") as mounted:
            if not mounted:
                yield Outcome(name, skipped=NOT_ROOT)
                return
            found = _harm_once(name, Project(folder), study, rng, harm, reason)
        tried += found.tried
        yield found


def _harm_once(name: str, project: Project, study: Study, rng: random.Random, harm: Harm, reason: str) -> Outcome:
    """Start the study and harm its disk at some moment of it: it ends, each failed job says why in one line; with the
    disk well again, the same command ends as the undisturbed study."""
    process = project.start()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=rng.uniform(0.1, 0.9) * study.seconds)
    harm(project.folder, process)
    logs = [*project.folder.glob("logs/**/*.log"), project.folder / "said.log"]
    said = {file: file.read_text(errors="replace") for file in logs}
    if not any(word in text for text in said.values() for word in (reason, SQLITES[reason])):
        status = process.returncode
        problems = [f"nothing says why it ended with {status}"] if status else lost(project, study.state)
        return outcome(name, problems) if problems else Outcome(name)
    problems, failed = [], re.findall(r"(?m)^ +whole log: (.+)$", said[logs[-1]])
    for file in logs[:-1]:
        place = str(file.relative_to(project.folder))
        if not _well_said(said[file], reason, place in failed):
            problems.append(f"{place} does not say it in one line: {said[file].strip()[-300:]}")
    done = project.call()
    if done.returncode:
        problems.append(f"with the disk well again Snakemake ended with {done.returncode}: {done.stderr[-300:]}")
    return outcome(name, problems or lost(project, study.state))


def _well_said(text: str, reason: str, failed: bool) -> bool:
    """Whether a job's log gives the reason in its one line, if it has any; one of a job that failed has to have it."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    ends = (f"({reason})", f"{SQLITES[reason]})")
    return "Traceback" not in text and failed <= len(lines) <= 1 and all(line.endswith(ends) for line in lines)


def _waited(process: subprocess.Popen, deadline: float) -> None:
    try:
        process.wait(timeout=deadline - time.monotonic())
    except subprocess.TimeoutExpired:
        tree_killed(process)


def _filled(file: Path, process: subprocess.Popen) -> None:
    """Keep the disk of `file` full, but for LEFT, until the process ends."""
    deadline = time.monotonic() + PATIENCE
    with open(file, "wb") as filler:
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):  # others were faster
                if (room := shutil.disk_usage(file.parent).free - LEFT) > 0:
                    os.posix_fallocate(filler.fileno(), os.fstat(filler.fileno()).st_size, room)
            time.sleep(0.01)
    _waited(process, deadline)


def _refused(action: Callable[[], None]) -> list[str]:
    try:
        action()
    except InputError as error:
        return [] if "cannot be written" in str(error) and "\n" not in str(error) else [f"said: {error}"]
    return ["nothing was said"]


class Tmpfs:
    """A small file system at `folder`; False where this user may not mount one."""

    def __init__(self, folder: Path, options: str):
        self.folder, self.options = folder, options

    def __enter__(self) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder)]
        try:
            self.mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
        except OSError:
            self.mounted = False
        return self.mounted

    def __exit__(self, *_) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
