"""A damaged state is not gone on from: the one before it is, and the run ends with the same bytes."""

import copy
import errno
import shutil
import struct
import zipfile

import pytest
import torch
from tests.engine.test_train import run, undisturbed  # noqa: F401  a fixture

from triplehead.engine import checkpoint
from triplehead.errors import InputError


def flip(path, at=0.5):
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def stopped(small_spec, small_data, tmp_path_factory):
    """After 4 and 8 of 12 iterations a state was written; the kill came in the tenth."""
    place = tmp_path_factory.mktemp("stopped")
    run(small_spec, small_data, place, stop_at=9)
    return place


def unsealed(path):
    """As a state of torch's alone, with a bit flipped that torch does not see."""
    path.write_bytes(path.read_bytes()[: -checkpoint.SEAL])
    flip(path)


HARMS = [flip, cut, unsealed, lambda path: path.write_bytes(b""), lambda path: path.unlink()]


@pytest.mark.parametrize("harm", HARMS)
def test_the_state_before_stands_in(small_spec, small_data, undisturbed, stopped, tmp_path, harm, capsys):  # noqa: F811
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    harm(tmp_path / "scratch" / "state.pt")
    assert run(small_spec, small_data, tmp_path) == undisturbed
    assert "going on from the state before" in capsys.readouterr().err


def test_a_state_that_cannot_be_read_is_none(small_spec, stopped, monkeypatch, capsys):
    """As of a disk with a bad sector."""
    data, state = (
        checkpoint.load(stopped / "scratch" / "state.pt", small_spec.id)["data"],
        stopped / "scratch" / "state.pt",
    )

    def bad(file, *arguments):
        if file == state:
            raise OSError(errno.EIO, "Input/output error")
        return open(file, *arguments)

    monkeypatch.setattr(checkpoint, "open", bad, raising=False)
    assert checkpoint.load_state(state, small_spec.id, data)["step"] == 4
    assert "state.pt: damaged" in capsys.readouterr().err


def test_one_file_s_damage_costs_one_state(small_spec, stopped, tmp_path):
    """Whichever file it is, and emptied or gone: a state that was written is read."""
    written = {path.name: path.read_bytes() for path in (stopped / "scratch").iterdir()}
    data = checkpoint.load(stopped / "scratch" / "state.pt", small_spec.id)["data"]
    for name in written:
        for harm in HARMS:
            for other, content in written.items():
                (tmp_path / other).write_bytes(content)
            harm(tmp_path / name)
            state = checkpoint.load_state(tmp_path / "state.pt", small_spec.id, data)
            assert state["step"] == (4 if name == "state.pt" else 8)


def test_a_flipped_bit_is_found_that_torch_does_not_see(small_spec, stopped, tmp_path):
    """In the bytes of a tensor: the file loads, and holds another number."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    state = tmp_path / "scratch" / "state.pt"
    content = state.read_bytes()
    step = checkpoint.load(state, small_spec.id)["step"]
    for at in (0.3, 0.5, 0.7):
        flip(state, at)
        assert (
            checkpoint.load_state(
                state, small_spec.id, checkpoint.load(stopped / "scratch" / "state.pt", small_spec.id)["data"]
            )["step"]
            < step
        )
        state.write_bytes(content)


def test_a_damaged_state_never_becomes_the_one_before(small_spec, small_data, stopped, tmp_path):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    state = tmp_path / "scratch" / "state.pt"
    sound = checkpoint.before(state).read_bytes()
    flip(state)
    checkpoint.save_state(state, small_spec.id, data="x", step=1)
    assert checkpoint.before(state).read_bytes() == sound
    flip(state)
    assert checkpoint.load(checkpoint.before(state), small_spec.id)["step"] == 4


def test_all_states_damaged_is_one_line(small_spec, small_data, stopped, tmp_path):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    flip(tmp_path / "scratch" / "state.pt")
    cut(tmp_path / "scratch" / "state.before.pt")
    with pytest.raises(InputError, match=r"state\.pt: damaged.*delete both") as caught:
        run(small_spec, small_data, tmp_path)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize("kill_at", range(2))
def test_a_kill_while_a_state_is_written_leaves_one(tmp_path, monkeypatch, kill_at):
    """Killed before each of its moves in turn; the last state or the one that was being written is read."""
    state = tmp_path / "state.pt"
    for step in (1, 2):
        checkpoint.save_state(state, "spec", data="d", step=step)
    moves, replace = [], checkpoint.os.replace

    def stop(source, target):
        moves.append(target)
        if len(moves) == kill_at + 1:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save_state(state, "spec", data="d", step=3)
    monkeypatch.undo()
    assert checkpoint.load_state(state, "spec", "d")["step"] == 2
    checkpoint.save_state(state, "spec", data="d", step=3)
    assert checkpoint.load_state(state, "spec", "d")["step"] == 3


def test_a_clock_that_goes_backwards_changes_no_file(
    small_spec,
    small_data,
    undisturbed,  # noqa: F811
    stopped,
    tmp_path,
    monkeypatch,
):
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    clock = iter(range(10**9, 0, -3600))
    monkeypatch.setattr("triplehead.engine.history.time.time", lambda: float(next(clock)))
    assert run(small_spec, small_data, tmp_path) == undisturbed


END = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)  # of a zip64 archive


def rewritten(path, change):
    """A torch file's records under a directory of their own; `change` (info) before each is written."""
    with zipfile.ZipFile(path) as old:
        records = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in records.items():
            info = zipfile.ZipInfo(name)
            change(info)
            new.writestr(info, content)


@pytest.mark.parametrize("record", ["data/0", "data.pkl", "version"])
def test_a_compressed_record_is_refused(tmp_path, record):
    """It may become any number of bytes; torch stores what it writes."""

    def compress(info):
        if info.filename.endswith(record):
            info.compress_type = zipfile.ZIP_DEFLATED

    path = tmp_path / "a.pt"
    checkpoint.save(path, "x", value=torch.zeros(1 << 20))
    rewritten(path, lambda info: None)
    assert checkpoint.load(path, "x")["value"].shape == (1 << 20,)
    rewritten(path, compress)
    with pytest.raises(InputError, match=r"a\.pt: has compressed records, which torch never writes") as caught:
        checkpoint.load(path, "x")
    assert "\n" not in str(caught.value)


def test_records_that_share_their_bytes_are_refused(tmp_path):
    """A directory may name the same bytes any number of times."""
    path = tmp_path / "a.pt"
    checkpoint.save(path, "x", value=torch.zeros(1 << 10))
    with zipfile.ZipFile(path, "a") as archive:
        info = next(each for each in archive.infolist() if each.filename.endswith("data/0"))
        for number in range(1, 9):
            again = copy.copy(info)
            again.filename = info.filename[:-1] + str(number)
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True
    with pytest.raises(InputError, match="a decompression bomb"):
        checkpoint.read(path, "damaged")


def test_a_second_directory_hides_no_compressed_record(tmp_path):
    """torch finds the directory where the locator points, Python's reader right before the locator."""

    def compress(info):
        info.compress_type = zipfile.ZIP_DEFLATED

    hidden, shown, both = (tmp_path / name for name in ("hidden.pt", "shown.pt", "both.pt"))
    checkpoint.save(hidden, "x", value=torch.zeros(1 << 20))
    checkpoint.save(shown, "x", value=torch.zeros(1))
    rewritten(hidden, compress)
    rewritten(shown, lambda info: None)

    content, ends = b"", []
    for path in (hidden, shown):
        with zipfile.ZipFile(path) as archive:
            start, count = archive.start_dir, len(archive.infolist())
        records, directory = path.read_bytes()[:start], bytearray(path.read_bytes()[start : -len(END)])
        place = 0
        while place < len(directory):  # each record has moved
            (before,) = struct.unpack_from("<L", directory, place + 42)
            struct.pack_into("<L", directory, place + 42, before + len(content))
            place += 46 + sum(struct.unpack_from("<3H", directory, place + 28))
        content += records
        at = len(content)
        content += directory
        ends.append(len(content))
        content += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), at)
    both.write_bytes(content + struct.pack("<4sLQL", b"PK\6\7", 0, ends[0], 1) + END)
    with zipfile.ZipFile(both) as archive:
        assert all(each.compress_type == zipfile.ZIP_STORED for each in archive.infolist())
    with pytest.raises(InputError, match="a decompression bomb"):
        checkpoint.read(both, "damaged")


@pytest.mark.parametrize("sealed", [False, True])
def test_a_file_that_does_not_end_as_torch_ends_one_is_refused(tmp_path, sealed):
    """What stands in front of the records or behind them would be read by one reader and not by the other."""
    path = tmp_path / "a.pt"
    (checkpoint.save_state if sealed else checkpoint.save)(path, "x", value=torch.ones(3))
    assert torch.equal(checkpoint.load(path, "x")["value"], torch.ones(3))
    sound = path.read_bytes()
    end = sound.rfind(END[:4])
    for broken in (sound + b"\0", sound[: end - 1] + b"\0" + sound[end - 1 :], sound[:4] + b"\0" * 64 + sound[4:]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"a\.pt: "):
            checkpoint.load(path, "x")


def test_torchs_older_format_is_read(tmp_path):
    torch.save({"spec": "x", "value": torch.ones(3)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(checkpoint.load(tmp_path / "a.pt", "x")["value"], torch.ones(3))
