"""Archives from strangers: every member is judged before the first is written; all of it appears, or nothing."""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal, cast

from triplehead.data.files import leaves
from triplehead.errors import InputError, shown

RATIO = 20  # most bytes that one byte of an archive may become; COCO's annotations are at 3
FLOOR = 1 << 20  # bytes that any archive may become
LONGEST_NAME = 1000  # characters
AT_ONCE = 1 << 20  # bytes that are read at once: of a file what is copied at once, of a header far more than any has
OVERHEAD = 16 << 20  # bytes of a tar beside what its files may become, for their headers
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, IndexError, OverflowError,
    RuntimeError,  # zipfile's word for an encrypted member
)  # fmt: skip
Kind = Literal["file", "folder", "link", "device"]
_UNPACKING = ".unpacking"  # ends the name of the folder beside


@dataclass(frozen=True)
class Member:
    """`name`, `kind` and `size` (bytes, unpacked) as the archive states them; `open` reads a file's content."""

    name: str
    kind: Kind
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar into `folder`, over what is there.

    Everything is written to a folder beside and moved into place at the end; `unfinished` tells of a move that was
    killed. Files get plain permissions. Raises InputError, which names archive and member, for: a path that is
    absolute, has "..", a drive, a backslash or a control character, or the name of such a folder; a link, device or
    pipe; a place given twice, or inside a file; more bytes than 20 times the archive's own; a broken or encrypted
    archive, or a zip's member packed otherwise than by deflate; a name of over 1,000 characters; a link of the user's
    in the way; a full disk.
    """
    staging = _staging(archive, folder)
    with _opened(archive) as members:
        places = _judge(archive, members)
        need = sum(member.size for member in members)
        try:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            if need > (room := shutil.disk_usage(folder).free):
                raise InputError(archive, f"unpacks to {need:,} bytes, the disk has {room:,}; make room")
            for place, member in places.items():
                _write(archive, member, staging / place)
            _settle(staging, folder)
        except OSError as error:
            raise InputError(folder, f"{archive.name} cannot be unpacked ({error.strerror or error})") from error
        finally:
            with suppress(OSError):
                shutil.rmtree(staging)


def unfinished(archive: Path, folder: Path) -> bool:
    """Whether an earlier `unpack` of this archive was killed on the way."""
    return _staging(archive, folder).exists()


def _staging(archive: Path, folder: Path) -> Path:
    return folder / f".{archive.name}{_UNPACKING}"


class _Bounded:
    """A tar's bytes: tarfile would read a header of any length into memory, and past any number of packed zeros."""

    def __init__(self, archive: Path, stream: IO[bytes] | gzip.GzipFile):
        self.archive, self.stream, self.most = archive, stream, _most(archive) + OVERHEAD
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if size < 0:  # would be all that there is
            raise tarfile.ReadError("a header has a negative size")
        if size > AT_ONCE:
            raise InputError(self.archive, f"has a header of {size:,} bytes: a decompression bomb?")
        return self.stream.read(size)

    def seek(self, position: int) -> int:
        if position > self.most:
            raise InputError(self.archive, f"would become more than {self.most:,} bytes: a decompression bomb?")
        return self.stream.seek(position)


def _most(archive: Path) -> int:
    return max(RATIO * archive.stat().st_size, FLOOR)


@contextmanager
def _opened(archive: Path) -> Iterator[list[Member]]:
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as file:
                yield [_zip_member(archive, file, info) for info in file.infolist()]
        else:
            is_packed = archive.suffix in (".gz", ".tgz")
            with (
                gzip.open(archive) if is_packed else open(archive, "rb") as stream,
                tarfile.open(fileobj=cast(IO[bytes], _Bounded(archive, stream)), mode="r:") as file,
            ):
                yield [_tar_member(file, info) for info in file]
    except _BROKEN as error:
        problem = f"is broken, or no archive that can be read here ({error}); delete it to have it fetched anew"
        raise InputError(archive, problem) from error
    except OSError as error:
        raise InputError(archive, f"cannot be read ({error.strerror or error})") from error


def _zip_member(archive: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    # Of other methods zipfile unpacks at once all that some bytes become, however much that is.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        found = f"is packed by method {info.compress_type}, expected 8 (deflate)"
        raise InputError(archive, f"member {shown(info.orig_filename)} {found}")
    mode = stat.S_IFMT(info.external_attr >> 16)
    kinds: dict[int, Kind] = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    kind = "folder" if info.orig_filename.endswith("/") else kinds.get(mode, "device")
    return Member(info.orig_filename, kind, info.file_size, lambda: file.open(info))


def _tar_member(file: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    if info.size < 0 or file.offset < info.offset_data:  # tarfile would come by it again and again
        raise tarfile.ReadError(f"member {shown(info.name)} has a negative size")
    kind: Kind = "file" if info.isreg() else "folder" if info.isdir() else "device"
    if info.issym() or info.islnk():
        kind = "link"
    return Member(info.name, kind, info.size if kind == "file" else 0, lambda: cast(IO[bytes], file.extractfile(info)))


def _judge(archive: Path, members: list[Member]) -> dict[PurePosixPath, Member]:
    """Where each member goes, below the folder."""
    places: dict[PurePosixPath, Member] = {}
    for member in members:
        place = _place(archive, member)
        if member.kind == "folder":
            if not place.parts or (place in places and places[place].kind == "folder"):
                continue
        elif not place.parts:
            raise InputError(archive, f"member {shown(member.name)} has no name")
        if place in places:
            raise InputError(archive, f"member {shown(member.name)} is there twice")
        places[place] = member
    for place, member in places.items():
        if outer := next((each for each in place.parents if each in places and places[each].kind != "folder"), None):
            raise InputError(archive, f"member {shown(member.name)} lies inside {shown(str(outer))}, which is a file")
    size, most = sum(member.size for member in members), _most(archive)
    if size > most:
        largest = max(members, key=lambda member: member.size)
        found = f"member {shown(largest.name)} of {largest.size:,} bytes and others would become {size:,}"
        raise InputError(archive, f"{found}, expected at most {most:,}: a decompression bomb?")
    return places


def _place(archive: Path, member: Member) -> PurePosixPath:
    if (length := len(member.name)) > LONGEST_NAME:
        raise InputError(archive, f"member {shown(member.name)} has a name of {length:,} characters")
    path = PurePosixPath(member.name)
    if leaves(member.name):
        raise InputError(archive, f"member {shown(member.name)} would leave the folder")
    if not member.name.isprintable():
        raise InputError(archive, f"member {shown(member.name)} has a name that is no text")
    if path.parts and path.parts[0].endswith(_UNPACKING):
        raise InputError(archive, f"member {shown(member.name)} has a name that is kept for what is being unpacked")
    if member.kind in ("link", "device"):
        what = "link" if member.kind == "link" else "device or pipe"
        raise InputError(archive, f"member {shown(member.name)} is a {what}, expected files and folders alone")
    return path


def _write(archive: Path, member: Member, path: Path) -> None:
    if member.kind == "folder":
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, open(path, "xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    if (found := path.stat().st_size) != member.size:
        raise InputError(archive, f"member {shown(member.name)} has {found:,} bytes, expected {member.size:,}")


def _settle(source: Path, target: Path) -> None:
    """Move what is below `source` to `target`: new folders whole, the rest file by file."""
    for entry in os.scandir(source):
        place = target / entry.name
        if place.is_symlink():
            raise InputError(place, "is a link: unpack by hand, or take it away")
        if entry.is_dir() and place.is_dir():
            _settle(Path(entry), place)
        elif place.exists() and (entry.is_dir() or place.is_dir()):
            raise InputError(place, f"is in the way of a {'folder' if entry.is_dir() else 'file'} of that name")
        else:
            os.replace(entry, place)
