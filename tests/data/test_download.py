"""Downloads from a server that fails."""

import errno
import gzip
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.data.server import serve

from triplehead.data import download
from triplehead.data.download import CHUNK, fetch, partial
from triplehead.errors import InputError

CONTENT = np.random.default_rng(0).integers(0, 256, 5 * CHUNK + 7, dtype=np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT).hexdigest()
CUT = 3 * CHUNK  # bytes


@pytest.fixture
def server():
    with serve() as server:
        server.files["/a.zip"] = CONTENT
        yield server


@pytest.fixture
def get(server, tmp_path):
    """Fetch the file; `size` and `md5` are right unless given."""

    def call(size: int | None = len(CONTENT), md5: str | None = MD5, **options) -> Path:
        fetch(f"{server.address}/a.zip", tmp_path / "a.zip", size, md5, pause=0, **options)
        return tmp_path / "a.zip"

    return call


def refused(get, *said, **options) -> None:
    with pytest.raises(InputError) as caught:
        get(**options)
    assert all(each in str(caught.value) for each in said), caught.value
    assert "\n" not in str(caught.value)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_file_comes_whole_and_alone(get, server, tmp_path):
    seen = []
    assert get(progress=lambda done, total: seen.append((done, total))).read_bytes() == CONTENT
    assert names(tmp_path) == {"a.zip"}
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert server.requests == [("/a.zip", None)]


def test_a_cut_connection_is_resumed_where_it_was_cut(get, server, tmp_path):
    server.cuts = [CUT, CHUNK]
    assert get().read_bytes() == CONTENT
    assert server.requests == [("/a.zip", None), ("/a.zip", f"bytes={CUT}-"), ("/a.zip", f"bytes={CUT + CHUNK}-")]
    assert names(tmp_path) == {"a.zip"}


def test_a_call_that_was_stopped_is_resumed_by_the_next(get, server, tmp_path):
    def stop(done, total):
        if done == CUT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=stop)
    assert partial(tmp_path / "a.zip") == CUT and not (tmp_path / "a.zip").exists()
    assert get().read_bytes() == CONTENT
    assert server.requests[1:] == [("/a.zip", f"bytes={CUT}-")]


def test_a_process_that_was_killed_is_resumed_by_the_next(get, server, tmp_path):
    server.hold = CUT
    code = "import sys; from pathlib import Path; from triplehead.data.download import fetch; fetch(sys.argv[1], Path(sys.argv[2]))"
    killed = subprocess.Popen([sys.executable, "-c", code, f"{server.address}/a.zip", tmp_path / "a.zip"])
    try:
        until = time.monotonic() + 60
        while partial(tmp_path / "a.zip") < CUT and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        killed.kill()
        killed.wait()
    assert partial(tmp_path / "a.zip") == CUT
    server.hold = None
    assert get().read_bytes() == CONTENT
    assert server.requests[1:] == [("/a.zip", f"bytes={CUT}-")]


def test_a_connection_that_is_always_cut_ends_and_keeps_the_part(get, server, tmp_path):
    server.cuts = [CUT] + [0] * 20
    refused(get, "the connection", f"{CUT:,} bytes are kept in", "the same command goes on")
    assert len(server.requests) == 1 + download.ATTEMPTS
    server.cuts = []
    assert get().read_bytes() == CONTENT
    assert server.requests[-1] == ("/a.zip", f"bytes={CUT}-")


def test_a_server_without_ranges_starts_anew(get, server):
    server.ranges, server.cuts = False, [CUT]
    assert get().read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={CUT}-"]


@pytest.mark.parametrize("off", [-CHUNK, CHUNK])
def test_another_range_than_asked_for_is_not_appended(get, server, off):
    server.off, server.cuts = off, [CUT]
    assert get(md5=None).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={CUT}-", None]


def test_a_file_that_changed_meanwhile_is_not_mixed(get, server):
    """If-Range: the server sends the other file whole."""

    def stop(done, total):
        if done == CUT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=stop)
    server.files["/a.zip"], server.etag = CONTENT[::-1], '"two"'
    assert get(md5=hashlib.md5(CONTENT[::-1]).hexdigest()).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", ['"two"', 'W/"two"', None], ids=("another ETag", "a weak one", "another length"))
def test_a_server_that_does_not_heed_if_range_is_not_believed(get, server, etag):
    content = CONTENT[::-1] + b"more" * (etag is None)

    def stop(done, total):
        if done == CUT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(size=None, md5=None, progress=stop)
    server.files["/a.zip"], server.heeds_if_range, server.etag = content, False, etag
    assert get(size=None, md5=None).read_bytes() == content
    assert [asked for _, asked in server.requests] == [None, f"bytes={CUT}-", None]


def test_a_length_of_thousands_of_digits_is_none(get, server):
    server.cuts = [CUT]

    def stop(done, total):
        if done == CUT:
            server.digits = "1" * 5000

    assert get(progress=stop).read_bytes() == CONTENT


def test_a_server_that_falls_silent_is_asked_again(get, server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    server.hold = CUT
    threading.Timer(2, server.go.set).start()  # later than it is waited for
    assert get().read_bytes() == CONTENT
    assert server.requests[1] == ("/a.zip", f"bytes={CUT}-")


@pytest.mark.parametrize(
    ("etag", "modified", "resumed"),
    [
        ('W/"weak"', None, False),
        ('W/"weak"', "Mon, 01 Jan 2018 00:00:00 GMT", True),
        (None, "Mon, 01 Jan 2018 00:00:00 GMT", True),
        (None, None, False),
    ],
)
def test_only_a_strong_validator_allows_resumption(get, server, etag, modified, resumed):
    server.etag, server.modified, server.cuts = etag, modified, [CUT]
    assert get().read_bytes() == CONTENT
    assert server.requests[1] == ("/a.zip", f"bytes={CUT}-" if resumed else None)


def test_a_part_of_another_address_is_not_used(get, server, tmp_path):
    server.files["/b.zip"] = CONTENT[::-1]
    server.cuts = [CUT] + [0] * 20
    with pytest.raises(InputError):
        fetch(f"{server.address}/b.zip", tmp_path / "a.zip", pause=0)
    server.cuts, server.requests[:] = [], []
    assert get().read_bytes() == CONTENT
    assert server.requests == [("/a.zip", None)]


@pytest.mark.parametrize("status", [206, 416])
def test_a_server_that_cannot_give_that_range_is_asked_for_all(get, server, status):
    server.cuts = [CUT]
    original = server.answer

    def answer(handler):
        if len(server.requests) == 1:
            server.statuses = [status]
        original(handler)

    server.answer = answer
    assert get().read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, f"bytes={CUT}-", None]


def test_a_whole_part_is_not_fetched_again(get, server, tmp_path, monkeypatch):
    def stop(path, size, md5):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "check", stop)
    with pytest.raises(KeyboardInterrupt):
        get()
    monkeypatch.undo()
    assert get().read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_wrong_sum_is_refused_and_removed(get, server, tmp_path):
    server.files["/a.zip"] = CONTENT[:-1] + b"?"
    refused(get, "has MD5", f"expected {MD5}", "removed")
    assert names(tmp_path) == set()
    server.files["/a.zip"] = CONTENT
    assert get().read_bytes() == CONTENT


def test_another_size_is_refused_before_it_is_fetched(get, server, tmp_path):
    refused(get, f"the server has {len(CONTENT):,} bytes, expected 5", size=5)
    assert partial(tmp_path / "a.zip") == 0


def test_a_file_that_ends_early_without_a_stated_length(get, server, tmp_path):
    server.length, server.cuts = False, [CUT]
    refused(get, f"has {CUT:,} bytes, expected {len(CONTENT):,}")
    assert names(tmp_path) == set()


def test_without_a_published_sum_the_stated_length_counts(get, server):
    server.cuts = [CUT]
    assert get(size=None, md5=None).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 1, len(CONTENT) - 1, 0])
def test_more_than_was_declared_is_not_written(get, server, tmp_path, size):
    server.length, seen = False, []
    refused(get, f"sends more than {size:,} bytes", size=size, md5=None, progress=lambda done, _: seen.append(done))
    assert max(seen) <= size and names(tmp_path) == set()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x\tunknown"])
def test_an_encoded_answer_is_refused(get, server, tmp_path, encoding):
    server.files["/a.zip"], server.encoding = gzip.compress(CONTENT), encoding
    refused(get, "sends it encoded", repr(encoding), size=len(server.files["/a.zip"]), md5=None)
    assert names(tmp_path) == set()


def test_an_encoding_that_is_none_is_no_matter(get, server):
    server.encoding = "identity"
    assert get().read_bytes() == CONTENT


def test_a_server_that_recovers(get, server):
    server.statuses = [503, 500, 429]
    assert get().read_bytes() == CONTENT


def test_the_pause_doubles(get, server, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.statuses = [503] * 20
    with pytest.raises(InputError, match="the server answers 503"):
        fetch(f"{server.address}/a.zip", tmp_path / "a.zip")
    assert pauses == [1, 2, 4, 8]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_tried_again(get, server, status):
    server.statuses = [status]
    refused(get, f"the server answers {status}")
    assert len(server.requests) == 1


def test_without_a_connection_it_says_what_else_can_be_done(get, server):
    server.statuses = [503] * download.ATTEMPTS
    refused(get, "the server answers 503", "; put it there by hand", otherwise="put it there by hand")


def test_nobody_there(tmp_path):
    with serve() as server:
        address = server.address
    with pytest.raises(InputError, match="the connection failed") as caught:
        fetch(f"{address}/a.zip", tmp_path / "a.zip", pause=0)
    assert "\n" not in str(caught.value) and "object at 0x" not in str(caught.value)


def test_a_disk_without_room_is_noticed_before(get, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 1000))
    refused(get, f"needs {len(CONTENT):,} bytes more, the disk has 1,000")


def test_a_disk_that_fills_up_keeps_the_part(get, server, tmp_path, monkeypatch):
    """As if others wrote to it at the same time."""

    def full(done, total):
        if done == CUT:
            raise OSError(errno.ENOSPC, "No space left on device")

    refused(get, "a.zip.part: cannot be written (No space left on device)", f"{CUT:,} bytes are kept", progress=full)
    assert get().read_bytes() == CONTENT
    assert server.requests[1:] == [("/a.zip", f"bytes={CUT}-")]


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A real file system of four chunks."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={4 * CHUNK}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full(server, small_disk):
    server.length = False  # else it is noticed before
    with pytest.raises(InputError, match=r"a\.zip\.part: cannot be written \(No space left on device\)") as caught:
        fetch(f"{server.address}/a.zip", small_disk / "a.zip", pause=0)
    kept = partial(small_disk / "a.zip")
    assert kept >= 2 * CHUNK and f"{kept:,} bytes are kept" in str(caught.value)
    subprocess.run(["mount", "-o", f"remount,size={20 * CHUNK}", small_disk], check=True)
    fetch(f"{server.address}/a.zip", small_disk / "a.zip", len(CONTENT), MD5, pause=0)
    assert (small_disk / "a.zip").read_bytes() == CONTENT
    assert server.requests[1] == ("/a.zip", f"bytes={kept}-")
