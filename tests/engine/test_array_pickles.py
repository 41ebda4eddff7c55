"""Pickles made to do harm: each is one line, and the process lives; honest ones of any protocol are read."""

import io
import pickle
import struct
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest

from triplehead.engine import array_pickles


def load(content: bytes):
    return array_pickles.load(io.BytesIO(content))


ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    "every other": np.arange(10, dtype=np.int64)[::2],
    "swapped": np.arange(4, dtype=">f4"),
    "half": np.ones((1, 2, 1), np.float16),
    "truth": np.array([True, False]),
    "one": np.array(2, np.uint8),
    "scalar": np.float32(1.5),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_are_read_as_they_were(protocol):
    shared = np.arange(3, dtype=np.float32)
    content = {
        "blobs": OrderedDict(ARRAYS),
        "cfg": "a: 1",
        "list": [1, 2.5, None, True, (1, "x")],
        "a": shared,
        "b": shared,
    }
    found = load(pickle.dumps(content, protocol=protocol))
    assert found["cfg"] == "a: 1" and found["list"] == content["list"]
    assert found["a"] is found["b"] and np.array_equal(found["a"], shared)
    for name, array in ARRAYS.items():
        assert found["blobs"][name].dtype.newbyteorder("=") == array.dtype.newbyteorder("="), name
        assert np.array_equal(found["blobs"][name], array) and found["blobs"][name].shape == array.shape, name
        assert found["blobs"][name].flags.writeable or name == "scalar"


def test_arrays_of_python_2_are_read():
    """There bytes are `str`: protocol 2 with latin1 text where Python 3 writes an encoding."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    text = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nI3\nt"
    text += b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    text += b"I00\nS" + repr(array.tobytes())[1:].encode() + b"\ntb."
    assert np.array_equal(load(text), array)


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(content: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content


def content_of(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def frombuffer(dtype: bytes, content: bytes = b"A" * 8, shape: bytes = b"K\x01\x85") -> bytes:
    return named("numpy._core.numeric", "_frombuffer") + b"(" + content_of(content) + dtype + shape + text(b"C") + b"tR"


def reconstruct(shape: bytes, dtype: bytes, content: bytes) -> bytes:
    made = (
        named("numpy.core.multiarray", "_reconstruct")
        + b"("
        + named("numpy", "ndarray")
        + b"K\x00\x85"
        + content_of(b"b")
        + b"tR"
    )
    return made + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


DTYPE = named("numpy", "dtype")
F8, OBJECT = DTYPE + text(b"f8") + b"\x85R", DTYPE + text(b"O") + b"\x85R"
# dtype('O', False, True) whose flags say that it holds no objects: its bytes would become addresses.
PLAIN_OBJECT = (
    DTYPE + b"(" + text(b"O") + b"\x89\x88tR(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
FIELDS = (
    DTYPE
    + text(b"V8")
    + b"\x85R(K\x03"
    + text(b"|")
    + b"N"
    + text(b"a")
    + b"\x85}"
    + text(b"a")
    + F8
    + b"J\x00\x00\x00\x40\x86sK\x08K\x01K\x00tb"
)
WIDE = F8[:-1] + b"R(K\x03" + text(b"<") + b"NNNJ\x00\x00\x00\x40K\x01K\x00tb"  # an item of a gigabyte

HARMFUL = {
    "an object at an address": (frombuffer(PLAIN_OBJECT), "has the dtype 'O'"),
    "a field far outside": (frombuffer(FIELDS), "has the dtype 'V8'"),
    "objects in a state": (reconstruct(b"K\x02\x85", OBJECT, b"]N" + b"at"), "has the dtype 'O'"),
    "ndarray itself": (named("numpy", "ndarray") + b"K\x01\x85\x85R", "calls numpy.ndarray"),
    "a negative side": (reconstruct(b"J\xff\xff\xff\xff\x85", F8, content_of(b"A" * 8)), "no shape"),
    "a side too long": (frombuffer(F8, shape=b"\x8a\x06" + b"\x7f" * 6 + b"\x85"), "other bytes than its shape"),
    "a side beyond all memory": (frombuffer(F8, shape=b"\x8a\x08" + b"\x7f" * 8 + b"\x85"), "no shape"),
    "many sides": (frombuffer(F8, shape=b"(" + b"K\x01" * 33 + b"t"), "no shape"),
    "more than its bytes": (reconstruct(b"K\x02\x85", F8, content_of(b"A" * 8)), "other bytes than its shape"),
    "bytes of no array": (reconstruct(b"K\x01\x85", F8, b"]"), "something else than plain numbers"),
    "no dtype": (reconstruct(b"K\x01\x85", text(b"f8"), content_of(b"A" * 8)), "something else than plain numbers"),
    "a key of nested tuples": (b"})" + b"\x85" * 300_000 + b"Ns", "has a key that is no text"),
    "the same in pairs": (named("collections", "OrderedDict") + b"])" + b"\x85" * 300_000 + b"N\x86a\x85R", "has a key that is no text"),
    "the same in an old mapping": (b"()" + b"\x85" * 300_000 + b"Nd", "has a key that is no text"),
    "a state of a mapping": (named("collections", "OrderedDict") + b")R}" + text(b"items") + b"Nsb", "has a state of what is no array"),
    "a state of a function": (named("_codecs", "encode") + b"}" + text(b"a") + b"Nsb", "has a state of what is no array"),
    "many opcodes": (b"N0" * 600_000 + b"N", "more than 1,000,000 opcodes"),
    "a class's instance": (b"(" + b"ios\nsystem\n", "has an opcode that no array needs"),
    "another class's": (named("numpy", "ndarray") + b")\x81", "has an opcode that no array needs"),
    "a name of two lines": (text(b"a\nb") + text(b"c" * 10_000) + b"\x93", r"asks for a\\nb\.ccc"),
    "a long float": (b"F" + b"x" * 10_000 + b"\n", "could not convert string to float"),
    "a number of many digits": (b"I" + b"9" * 100_000 + b"\n", "for integer string conversion"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_pickle_is_one_line(name):
    body, said = HARMFUL[name]
    with pytest.raises(pickle.UnpicklingError, match=said) as caught:
        load(b"\x80\x02" + body + b".")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_an_item_s_size_is_the_dtypes_own():
    assert np.array_equal(load(b"\x80\x02" + frombuffer(WIDE) + b"."), np.frombuffer(b"A" * 8))


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 33),
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 33),
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 33),
        b"\x80\x02Nr\xff\xff\xff\x7f",
        # one text, an array of it a thousand times
        b"\x80\x02" + content_of(b"A" * (1 << 20)) + b"q\x010" + named("numpy._core.numeric", "_frombuffer") + b"q\x020" + F8 + b"q\x030"
        + b"(" + b"h\x02(h\x01h\x03J\x00\x00\x02\x00\x85" + text(b"C") + b"tR" * 1
        + (b"h\x02(h\x01h\x03J\x00\x00\x02\x00\x85" + text(b"C") + b"tR") * 1000 + b"t.",
        # one text, encoded a thousand times
        b"\x80\x02" + text(b"A" * (1 << 20)) + b"q\x010" + named("_codecs", "encode") + b"q\x020"
        + b"(" + (b"h\x02h\x01" + text(b"latin1") + b"\x86R") * 1000 + b"t.",
    ],
    ids=["bytearray", "frame", "bytes", "memo", "copies", "texts"],
)  # fmt: skip
def test_no_more_memory_is_taken_than_the_file_has(body):
    tracemalloc.start()
    try:
        with pytest.raises(pickle.UnpicklingError):
            load(body)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_pickle_that_is_cut_is_one_line():
    whole = pickle.dumps({"blobs": ARRAYS}, protocol=2)
    for end in range(len(whole)):
        with pytest.raises(pickle.UnpicklingError) as caught:
            load(whole[:end])
        assert "\n" not in str(caught.value)
