"""Whatever a disk does to a file of a job's, reading it gives what was written, or one line."""

import gzip
import json

import numpy as np
import pytest

from triplehead.data.archive import REPLICATE_ARRAYS, read_archive, write_archive
from triplehead.errors import InputError
from triplehead.reading import read_json, read_mapping


def flipped(data: bytes):
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def damaged(data: bytes):
    yield from flipped(data)
    yield from (data[:end] for end in range(0, len(data), 7))


def test_a_changed_bit_of_an_archive_is_never_a_number(tmp_path):
    path, given = tmp_path / "replicates.npz", {name: np.arange(6.0) for name in REPLICATE_ARRAYS[:2]}
    write_archive(path, given)
    lines = 0
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        try:
            found = read_archive(path, tuple(given))
        except InputError as error:
            lines += 1
            assert str(error).isprintable() and "replicates.npz: " in str(error)
        else:
            assert all(np.array_equal(found[name], given[name]) for name in given)
    assert lines > 1000


@pytest.mark.parametrize("name", ["scores.json", "detections.json.gz"])
def test_a_changed_bit_of_json(tmp_path, name):
    path, text = tmp_path / name, json.dumps({"AP": 37.0, "é": [1, 2, None] * 20}).encode()
    for data in damaged(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text):
        path.write_bytes(data)
        try:
            read_json(path, broken="expected scores")
        except InputError as error:
            assert str(error).isprintable() and f"{name}: expected scores (" in str(error)


def test_nesting_without_end_and_other_kinds(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"scores\.json: cannot be read as JSON"):
        read_json(path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"scores\.json: expected a mapping, found list"):
        read_mapping(path)
    with pytest.raises(InputError, match=r"gone\.json: the run has not been evaluated"):
        read_json(tmp_path / "gone.json", "the run has not been evaluated")
