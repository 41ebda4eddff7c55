"""A data set's archives: what is unpacked, what lies ready, and how the rest is got."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triplehead.data import download
from triplehead.data.unpack import unfinished, unpack
from triplehead.errors import InputError
from triplehead.plan.datasets import Archive, DatasetFile

FOLDER = "archives"  # below data_root: downloads, and what the user puts there
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """How far an archive is. `unpacked`: all that it gives is there; `ready`: it lies among the archives; `part`: some
    bytes of it do. `lacking`: the first thing missing of what it gives."""

    archive: Archive
    state: Literal["unpacked", "ready", "part", "missing"]
    lacking: str | None = None
    bytes: int = 0  # of a part


def find(declared: DatasetFile, archive: Archive, root: Path) -> Found:
    """Look for an archive and what it gives, without reading either."""
    folder, file = root / declared.folder, root / FOLDER / archive.file
    lacking = _lacking(archive, folder)
    if lacking is None and not unfinished(file, folder):
        return Found(archive, "unpacked")
    lacking = lacking or f"{folder} holds the rest of an unpacking that was stopped"
    if file.is_file():
        return Found(archive, "ready", lacking)
    size = download.partial(file)
    return Found(archive, "part" if size else "missing", lacking, size)


def get(
    declared: DatasetFile,
    archive: Archive,
    root: Path,
    mirror: str | None = None,
    again: bool = False,
    say: Say = lambda line: None,
    progress: download.Progress = lambda done, total: None,
) -> None:
    """Fetch an archive unless it is there, check it, and unpack it unless what it gives is there.

    `mirror`: an address that has it by its file name, instead of its own. `again`: unpack in any case. `say` is told
    what happens, in lines. Raises InputError as `download.fetch` and `unpack` do, and for an archive that
    must be fetched by hand, or does not give what is declared.
    """
    found = find(declared, archive, root)
    if found.state == "unpacked" and not again:
        say(f"{archive.file}: what it gives is there")
        return
    file = root / FOLDER / archive.file
    url = f"{mirror.rstrip('/')}/{archive.file}" if mirror else archive.url
    if file.is_file():
        download.check(file, archive.bytes, archive.md5)
    elif url is None:
        raise InputError(file, "no such file, and it has no address: it must be fetched by hand")
    else:
        say(f"{archive.file}: from {url}" + (f", {found.bytes:,} bytes are there" if found.bytes else ""))
        otherwise = f"without a connection: put it into {root / FOLDER} by hand, or name a mirror, data_mirror=URL"
        download.fetch(url, file, archive.bytes, archive.md5, progress, otherwise=otherwise)
    unpack(file, root / declared.folder)
    if (lacking := _lacking(archive, root / declared.folder)) is not None:
        raise InputError(file, f"has been unpacked, but {lacking}")
    say(f"{archive.file}: unpacked to {root / declared.folder}; {file} is needed no more")


def absent(declared: DatasetFile, root: Path) -> bool:
    """Whether a place that the official archives fill is not there at all."""
    needed = [archive for archive in declared.archives if not archive.optional]
    return not all((root / declared.folder / place).exists() for archive in needed for place in archive.gives)


def instructions(declared: DatasetFile, root: Path) -> str:
    """What to do by hand, in lines."""
    folder = root / declared.folder
    lines = [f"{declared.title}: {declared.page}", declared.by_hand or ""]
    lines += [f"Put into {root / FOLDER} and run the same command again, which unpacks safely:"]
    lines += [f"  {archive.file}{' (if wanted)' if archive.optional else ''}" for archive in declared.archives]
    lines += ["Or unpack yourself, so that these are there:"]
    lines += [
        f"  {folder / place} ({count:,} files)"
        for archive in declared.archives
        if not archive.optional
        for place, count in archive.gives.items()
    ]
    return "\n".join(lines)


def _lacking(archive: Archive, folder: Path) -> str | None:
    for place, fewest in archive.gives.items():
        path = folder / place
        if not path.exists():
            return f"{path} is not there"
        count = sum(file.is_file() for file in path.iterdir()) if path.is_dir() else 1
        if count < fewest:
            return f"{path} holds {count:,} files, expected {fewest:,}"
    return None
