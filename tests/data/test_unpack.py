"""Archives made to do harm, and honest ones."""

import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from triplehead.data import unpack as module
from triplehead.data.unpack import unfinished, unpack
from triplehead.errors import InputError

HONEST = {"set/images/a.jpg": b"a" * 10, "set/images/b.jpg": b"b" * 20, "set/list.txt": b"a\nb\n", "readme": b""}


def zipped(path: Path, files: dict[str, bytes], **changes) -> Path:
    """`changes`: attributes of every member."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in changes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def tarred(path: Path, files: dict[str, bytes], **changes) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


MAKE = {"a.zip": zipped, "a.tar": tarred, "a.tar.gz": tarred}


@pytest.fixture(params=list(MAKE))
def make(request, tmp_path):
    (tmp_path / "in").mkdir()
    return lambda files, **changes: MAKE[request.param](tmp_path / "in" / request.param, files, **changes)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, folder: Path, *said: str) -> None:
    before, around = content(folder), set(folder.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        unpack(archive, folder)
    assert all(each in str(caught.value) for each in (archive.name, *said)), caught.value
    assert "\n" not in str(caught.value)
    assert content(folder) == before and set(folder.parent.rglob("*")) == around


def test_what_is_inside_is_there_and_nothing_else(make, folder):
    archive = make(HONEST)
    unpack(archive, folder / "new" / "folder")
    assert content(folder / "new" / "folder") == HONEST
    assert not unfinished(archive, folder / "new" / "folder")


def test_it_goes_over_what_is_there(make, folder):
    (folder / "set" / "images").mkdir(parents=True)
    (folder / "set" / "images" / "b.jpg").write_bytes(b"old")
    (folder / "set" / "images" / "mine.jpg").write_bytes(b"mine")
    unpack(make(HONEST), folder)
    assert content(folder) == HONEST | {"set/images/mine.jpg": b"mine"}


def test_folders_of_their_own_and_dots(folder, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in (".", "./set", "./set/images"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("./set/a.txt"))
    unpack(tmp_path / "a.tar", folder)
    assert content(folder) == {"set/a.txt": b""} and (folder / "set" / "images").is_dir()


def test_permissions_are_plain(folder, tmp_path):
    unpack(tarred(tmp_path / "a.tar", {"a": b""}, mode=0o6777), folder)
    unpack(zipped(tmp_path / "b.zip", {"b": b""}, external_attr=(stat.S_IFREG | 0o6777) << 16), folder)
    for name in ("a", "b"):
        assert (folder / name).stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "set/../../outside", "set\\..\\outside", "C:outside", "C:\\outside"]
)
def test_a_member_that_would_leave_the_folder(make, folder, name):
    refused(make(HONEST | {name: b"x"}), folder, f"{name!r} would leave the folder")


@pytest.mark.parametrize("name", [".{}.unpacking/a", ".{}.unpacking", "./.other.zip.unpacking/a"])
def test_a_member_in_the_place_of_an_unpacking(make, folder, name):
    """It would go with what is tidied away."""
    name = name.format(make({}).name)
    refused(make(HONEST | {name: b"x"}), folder, f"{name!r} has a name that is kept")


def test_a_long_name_is_shortened(make, folder):
    with pytest.raises(InputError) as caught:
        unpack(make({"../" + "a" * 10_000: b"x"}), folder)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["a\x1bb", "a\nb"])
def test_a_name_that_is_no_text(make, folder, name):
    refused(make(HONEST | {name: b"x"}), folder, repr(name), "no text")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device or pipe"),
        (tarfile.BLKTYPE, "device or pipe"),
        (tarfile.FIFOTYPE, "device or pipe"),
    ],
)
def test_members_of_a_tar_that_are_no_files(folder, tmp_path, kind, what):
    archive = tarred(tmp_path / "a.tar", {"set/x": b""}, type=kind, linkname="../../outside")
    refused(archive, folder, f"member 'set/x' is a {what}")


@pytest.mark.parametrize(
    ("kind", "what"), [(stat.S_IFLNK, "link"), (stat.S_IFIFO, "device or pipe"), (stat.S_IFCHR, "device or pipe")]
)
def test_members_of_a_zip_that_are_no_files(folder, tmp_path, kind, what):
    archive = zipped(tmp_path / "a.zip", {"set/x": b"/etc"}, external_attr=(kind | 0o777) << 16)
    refused(archive, folder, f"member 'set/x' is a {what}")


def test_a_link_and_then_a_file_through_it(folder, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("out/evil"))
    refused(tmp_path / "a.tar", folder, "member 'out' is a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["set/a", "./set/a", "set//a"])
def test_a_place_given_twice(folder, tmp_path, second):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("set/a", second):
            archive.addfile(tarfile.TarInfo(name))
    refused(tmp_path / "a.tar", folder, "is there twice")


def test_a_file_inside_a_file(make, folder):
    refused(make({"set/a": b"1", "set/a/b": b"2"}), folder, "'set/a/b' lies inside 'set/a'")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_decompression_bomb(folder, tmp_path, name):
    archive = MAKE[name](tmp_path / name, {"small": b"x", "bomb": bytes(20 << 20)})
    assert archive.stat().st_size * 100 < 20 << 20
    found = f"member 'bomb' of {20 << 20:,} bytes" if name == "a.zip" else f"more than {17 << 20:,} bytes"
    refused(archive, folder, found, "a decompression bomb?")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_header_that_would_fill_the_memory(folder, tmp_path, name, kind):
    """tarfile reads these whole, before any member is known."""
    header = tarfile.TarInfo("long")
    header.type, header.size = kind, 1 << 33
    content = header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    refused(tmp_path / name, folder, f"has a header of {1 << 33:,} bytes", "a decompression bomb?")


def header(kind: bytes, size: bytes) -> bytes:
    """A tar's header, whose size field holds these twelve bytes."""
    info = tarfile.TarInfo("x")
    info.type = kind
    made = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    made[124:136], made[148:156] = size, b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


def binary(size: int) -> bytes:
    return (size % (1 << 96)).to_bytes(12, "big")


def octal(size: int) -> bytes:
    return b"%011o\0" % size


def pax(record: bytes) -> bytes:
    return header(tarfile.XHDTYPE, octal(len(record))) + record.ljust(512, b"\0")


PLAIN = header(tarfile.REGTYPE, octal(0))
END = bytes(1024)
BACKWARDS = {
    "onto itself": PLAIN + header(tarfile.REGTYPE, binary(-512)),
    "onto the first": PLAIN + header(tarfile.REGTYPE, binary(-1024)),
    "in a record": PLAIN + pax(b"14 size=-1536\n") + PLAIN,
    "hidden by a record": PLAIN + pax(b"22 GNU.sparse.size=10\n") + header(tarfile.REGTYPE, binary(-1536)),
    "of the first": header(tarfile.REGTYPE, binary(-512)),
    "of a record": PLAIN + header(tarfile.XHDTYPE, binary(-512)) + PLAIN,
    "beyond counting": PLAIN + header(tarfile.XHDTYPE, binary(-(1 << 70))) + PLAIN,
    "of a sparse file": PLAIN + header(tarfile.GNUTYPE_SPARSE, binary(-512)),
    "of a folder": PLAIN + header(tarfile.DIRTYPE, binary(-512)),
}


@pytest.mark.parametrize("name", BACKWARDS)
@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz"])
def test_a_negative_size(folder, tmp_path, file, name):
    """tarfile goes back by it, and would come by the same member for ever."""
    content = BACKWARDS[name] + END
    (tmp_path / file).write_bytes(gzip.compress(content) if file.endswith("gz") else content)
    refused(tmp_path / file, folder, "is broken", "a negative size")


def test_a_zip_that_understates_its_sizes(folder, tmp_path):
    archive = zipped(tmp_path / "a.zip", {"bomb": bytes(1000)})
    stated = (1000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(stated, (10).to_bytes(4, "little")))
    refused(archive, folder, "is broken")


@pytest.mark.parametrize("keep", [0, 0.5, 0.9])
def test_an_archive_that_is_cut(make, folder, keep):
    archive = make({f"{index}.jpg": os.urandom(30_000) for index in range(5)})
    archive.write_bytes(archive.read_bytes()[: int(keep * archive.stat().st_size)])
    refused(archive, folder)


def test_content_that_was_damaged(folder, tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a": os.urandom(5000)})
    damaged = bytearray(archive.read_bytes())
    damaged[2000] ^= 1
    archive.write_bytes(damaged)
    refused(archive, folder, "is broken")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99])
def test_a_zip_of_another_method(folder, tmp_path, method):
    """zipfile would unpack all that some bytes become at once: of 1,700 bytes of bzip2 two gigabytes."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method if method < 99 else zipfile.ZIP_STORED) as archive:
        archive.writestr("set/a", bytes(1 << 20))
        archive.filelist[0].compress_type = method
    refused(tmp_path / "a.zip", folder, f"member 'set/a' is packed by method {method}, expected 8 (deflate)")


def test_a_zip_that_stores_its_files(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("set/a", b"hello")
    unpack(tmp_path / "a.zip", folder)
    assert content(folder) == {"set/a": b"hello"}


@pytest.mark.parametrize("name", ["d/" * 30_000 + "a", "a" * 1001])
def test_a_name_that_no_disk_takes(make, folder, name):
    """Each folder above a member is looked at: of 450,000 it would take minutes."""
    refused(make({name: b""}), folder, f"has a name of {len(name):,} characters")


@pytest.mark.parametrize(("name", "said"), [(b"", "'' has no name"), (b"\0", "'\\x00' has a name that is no text")])
def test_a_member_of_a_zip_without_a_name(folder, tmp_path, name, said):
    """zipfile asks for its last letter."""
    content = zipped(tmp_path / "a.zip", {"a": b""}).read_bytes()
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    length = len(name).to_bytes(2, "little")
    parts = [
        content[local : local + 26] + length + content[local + 28 : local + 30] + name + content[local + 31 : central],
        content[central : central + 28]
        + length
        + content[central + 30 : central + 46]
        + name
        + content[central + 47 : end],
    ]
    places = len(parts[1]).to_bytes(4, "little") + len(parts[0]).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(b"".join(parts) + content[end : end + 12] + places + content[end + 20 :])
    refused(tmp_path / "a.zip", folder, f"member {said}")


def test_no_archive_and_none_there(folder, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"<html>not found</html>")
    refused(tmp_path / "a.zip", folder, "is broken, or no archive")
    refused(tmp_path / "b.tar", folder, "cannot be read (No such file")


def test_an_encrypted_zip(folder, tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a": b"secret"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # the flag, of the member and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    refused(archive, folder, "encrypted")


def test_a_link_of_the_users_is_not_followed(make, folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "set").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="set: is a link"):
        unpack(make({"set/a": b"x"}), folder)
    assert content(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("files", [{"set": b"file"}, {"set/a": b"x", "list/a": b"x"}])
def test_what_is_in_the_way(make, folder, files):
    (folder / "set").mkdir()
    (folder / "list").write_text("mine")
    with pytest.raises(InputError, match="is in the way of a"):
        unpack(make(files), folder)
    assert (folder / "list").read_text() == "mine" and (folder / "set").is_dir()


def test_a_disk_without_room(make, folder, monkeypatch):
    archive = make(HONEST)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 33))
    refused(archive, folder, "unpacks to 34 bytes, the disk has 33")


def test_a_disk_that_fills_up_leaves_nothing(make, folder, monkeypatch):
    archive = make(HONEST)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    refused(archive, folder, "cannot be unpacked (No space left on device)")


def test_an_unpacking_that_is_killed_is_known_and_done_again(make, folder, monkeypatch):
    archive = make(HONEST)

    class Killed(BaseException):
        pass

    def half(source, target):
        os.replace(source / "readme", target / "readme")
        raise Killed

    monkeypatch.setattr(module, "_settle", half)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # nor does a killed process tidy up
    with pytest.raises(Killed):
        unpack(archive, folder)
    assert unfinished(archive, folder)
    monkeypatch.undo()
    unpack(archive, folder)
    assert content(folder) == HONEST and not unfinished(archive, folder)
