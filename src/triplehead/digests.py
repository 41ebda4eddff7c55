"""What each job made, by digest: whether a result is still what its run made, or was edited since."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from triplehead.errors import InputError
from triplehead.paths import (
    DIGESTS,
    FIGURE_SUFFIXES,
    REPLICATES,
    REPORT,
    RESULTS,
    RUN_FILES,
    SCRATCH,
    TESTDEV,
    UNLOGGED,
    atomic,
)
from triplehead.plan.hints import command
from triplehead.plan.plan import Plan
from triplehead.reading import read_json

ANEW = "delete it, and it is made anew where it is asked for"


@dataclass(frozen=True)
class Altered:
    """A file that is not what was made. problem: a clause for people."""

    file: str
    problem: str


def record(name: str, files: Iterable[Path], results: Path = RESULTS) -> None:
    """Keep the SHA-256 of `files`, one job's, in `results`/digests/<name>.json, under their paths from the project's
    root. A job has a file of its own: two that end at once do not meet. Raises InputError where that cannot be
    written."""
    content = {os.path.relpath(file, results.parent): _digest(file) for file in sorted(files)}
    with atomic(results / DIGESTS / f"{name}.json") as file:
        file.write_text(json.dumps(content, indent=1) + "\n")


def forget(name: str, results: Path = RESULTS) -> None:
    """Of a job that is done once more."""
    with suppress(OSError):
        (results / DIGESTS / f"{name}.json").unlink(missing_ok=True)


def known(name: str, file: Path, results: Path) -> str | None:
    """The SHA-256 (hex) of a file as job `name` made it; None where none is recorded."""
    listed = results / DIGESTS / f"{name}.json"
    return _read(listed).get(os.path.relpath(file, results.parent)) if listed.is_file() else None


def check(name: str, file: Path, results: Path) -> None:
    """Raise InputError for a file that is not what job `name` made; where none is recorded, nothing is known."""
    digest = known(name, file, results)
    if digest is not None and file.is_file() and _digest(file) != digest:
        raise InputError(file, _altered(name))


def demand(files: Iterable[Path], results: Path = RESULTS) -> None:
    """Raise InputError for a file that something is to be made of and that is not what its own job made."""
    for file in files:
        folder, *rest = file.relative_to(results).parts
        if folder == "runs":
            jobs = [f"{job}/{rest[0]}" for job in ("train", "resample", "testdev")]
        else:
            jobs = [f"{folder}/{Path(rest[0]).stem}"] if rest else [f"table/{file.stem}"]
        for job in jobs:
            check(job, file, results)


def unaltered(files: Iterable[Path], results: Path = RESULTS) -> None:
    """`demand` for files of any job, which looks through all lists."""
    wanted = {os.path.relpath(file, results.parent): file for file in files}
    for job, name, digest in _listed(results):
        if name in wanted and wanted[name].is_file() and _digest(wanted[name]) != digest:
            raise InputError(wanted[name], _altered(job))


def gone(runs: Iterable[str], results: Path = RESULTS) -> Iterator[str]:
    """Files of trainings that had come to their end, or had begun, and that are not there. No rule of Snakemake's
    misses what lies between its own inputs and outputs."""
    for run in runs:
        ended = (results / DIGESTS / "train" / f"{run}.json").is_file()
        if ended or any((results / place / run).exists() for place in (SCRATCH.name, UNLOGGED)):
            names = (*RUN_FILES, REPLICATES) if ended else RUN_FILES
            files = (results / "runs" / run / name for name in names)
            yield from (str(file) for file in files if not file.is_file())


def altered(
    results: Path = RESULTS, made: Iterable[Path] = (), asked: Iterable[Path] = ()
) -> tuple[list[Altered], int]:
    """Files that are not what their jobs made, by path, and of how many it is known.

    `made`: what jobs make, of which nothing may be there without a digest. `asked`: what has to be there once it was
    made. Raises InputError for lists of digests that are broken or cannot be read.
    """
    found, known = [], set()
    expected = {os.path.relpath(path, results.parent) for path in asked}
    if (folder := results / DIGESTS).is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(folder, "cannot be read")
    for job, name, digest in _listed(results):
        path = results.parent / name
        if not path.is_file():
            if name in expected:
                found.append(Altered(name, f"is gone since `{job}` made it; the rule reproduce_all makes it anew"))
            continue
        known.add(name)
        if _digest(path) != digest:
            found.append(Altered(name, _altered(job)))
    there = {os.path.relpath(path, results.parent) for path in made if path.is_file()}
    nobodys = f"has no digest below {results.name}/{DIGESTS}/: no job made it, or its list was deleted; {ANEW}"
    found += [Altered(name, nobodys) for name in there - known]
    return sorted(found, key=lambda one: one.file), len(known)


def asked_of(plan: Plan, results: Path = RESULTS) -> Iterator[Path]:
    """What `reproduce_all` leaves, and makes anew where it is gone: below `results`, and beside it the report."""
    yield from (results.parent / file for file in REPORT)
    suffixes: dict[str, tuple[str, ...]] = {name: FIGURE_SUFFIXES if exhibit.kind == "figure" else ("csv", "tex")
                for name, exhibit in plan.exhibits.items()}  # fmt: skip
    suffixes |= {"overview": FIGURE_SUFFIXES, "claims": ("csv",)}
    yield from (results / f"{name}.{suffix}" for name in suffixes for suffix in suffixes[name])
    yield from (results / "runs" / run / name for run in plan.runs for name in (*RUN_FILES, REPLICATES))


def made_by(plan: Plan, results: Path = RESULTS) -> Iterator[Path]:
    """What the jobs of a plan leave once they have ended; of a training that has not, nothing."""
    runs = results / "runs"
    yield from (file for file in asked_of(plan, results) if not file.is_relative_to(runs))
    yield from (results / f"silence.{suffix}" for suffix in ("csv", *FIGURE_SUFFIXES))
    yield from (results / "speed" / f"{name}.json" for name in plan.exhibits)
    yield from (results / "pretrained" / f"{name}.pt" for name in plan.pretrained)
    yield from (results / "data" / name / "manifest.json" for name in plan.data)
    for run in plan.all_runs:
        if (runs / run / "scores.json").exists():  # written last
            yield from (runs / run / name for name in (*RUN_FILES, REPLICATES, TESTDEV))


def _altered(job: str) -> str:
    match job.partition("/")[0]:
        case "train":
            cure = "delete it, and its run is trained anew where it is asked for"
        case "testdev":
            cure = f"give `{command('triplehead testdev scores')}` the server's scores again"
        case _:
            cure = ANEW
    return f"is not what `{job}` made: edited or damaged since; {cure}"


def _listed(results: Path) -> Iterator[tuple[str, str, str]]:
    """(job, file, digest) of all that is recorded."""
    for each in sorted((results / DIGESTS).rglob("*.json")):
        job = str(each.relative_to(results / DIGESTS).with_suffix(""))
        yield from ((job, name, digest) for name, digest in _read(each).items())


def _read(path: Path) -> dict[str, str]:
    content = read_json(path, broken="cannot be read as JSON; delete it")
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise InputError(path, "expected a mapping of files to digests; delete it")
    return content


def _digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
