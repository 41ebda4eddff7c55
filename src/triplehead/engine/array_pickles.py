"""Pickles of numpy arrays from strangers: mappings, lists, text and arrays of plain numbers, and nothing else.

Python's own unpickler, not C's: what an opcode may do is decided here, step by step. numpy trusts a pickle's dtypes and
states, so it gets none that has not been checked: with an object dtype whose flags say otherwise, bytes of the file
would become addresses.
"""

import io
import math
import pickle
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from triplehead.errors import shown

MOST = 1_000_000  # opcodes; ResNet-101's file has some 20,000
SIDES, LONGEST = 32, 1 << 48  # of an array: their product is still a number that costs nothing
_NUMBER = re.compile(r"[fiub]\d{1,2}")  # floats, whole numbers and truth values, by their bytes
_NEEDED = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT "
    "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES "
    "BINBYTES8 BYTEARRAY8 EMPTY_DICT DICT SETITEM SETITEMS EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 "
    "TUPLE2 TUPLE3 PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD"
)


def load(file: IO[bytes]) -> Any:
    """What a pickle holds, Python 2's too (its text is latin1). Nothing in it is executed; keys of mappings are text;
    no more array bytes are made than the file has. Raises pickle.UnpicklingError, of one line, and OSError."""
    content = file.read()
    try:
        return _Unpickler(content).load()
    except Exception as error:  # broken bytes: of a dozen types
        said = str(error) or type(error).__name__
        raise pickle.UnpicklingError(said if said.isprintable() and len(said) < 300 else shown(said)[1:-1]) from None


class _Dtype:
    """What a pickle calls numpy.dtype: the name of a plain number, and its byte order, which comes later."""

    def __init__(self, name: object):
        if not isinstance(name, str) or not _NUMBER.fullmatch(name):
            raise pickle.UnpicklingError(f"has the dtype {shown(name)}, expected one of plain numbers")
        self.name, self.order = name, "="

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError("has a dtype of an unknown byte order")
        self.order = state[1]

    @property
    def made(self) -> np.dtype:
        return np.dtype(self.order + self.name)


class _Unpickler(pickle._Unpickler):
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]
    steps = 0

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.room = len(content)  # bytes that arrays may still have: else one text in the file could fill many
        self.texts = len(content)  # the same, of bytes that are written as text
        self.callables: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): _mapping,
            ("_codecs", "encode"): self.latin1,  # how protocol 2 writes bytes
            ("numpy", "ndarray"): _not_called,
            ("numpy", "dtype"): _dtype,
        }
        for core in ("numpy.core", "numpy._core"):
            self.callables |= {
                (f"{core}.multiarray", "_reconstruct"): lambda *_: np.empty(0, np.uint8),  # BUILD makes it what it is
                (f"{core}.multiarray", "scalar"): lambda dtype, content: self.array(content, dtype, (), "C")[()],
                (f"{core}.numeric", "_frombuffer"): self.array,
            }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.callables:
            raise pickle.UnpicklingError(f"asks for {f'{module}.{name}'[:80]}, which no array needs")
        return self.callables[module, name]

    def array(self, content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
        """A new array of those bytes."""
        content = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(content, (bytes, bytearray)) or not isinstance(dtype, _Dtype) or order not in ("C", "F"):
            raise pickle.UnpicklingError("has an array of something else than plain numbers")
        sides = shape if isinstance(shape, tuple) and len(shape) <= SIDES else (None,)
        if not all(type(side) is int and 0 <= side < LONGEST for side in sides):
            raise pickle.UnpicklingError("has an array of no shape")
        self.room -= len(content)
        if len(content) != math.prod(shape) * dtype.made.itemsize or self.room < 0:
            raise pickle.UnpicklingError("has an array of other bytes than its shape says")
        return np.frombuffer(content, dtype.made).reshape(shape, order=order).copy(order)

    def latin1(self, text: Any, encoding: Any) -> bytes:
        """Bytes that are written as text."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"asks for the encoding {shown(encoding)}")
        self.texts -= len(text)
        if self.texts < 0:
            raise pickle.UnpicklingError("makes more bytes of its texts than it has")
        return text.encode("latin1")

    def put(self, items: list[Any]) -> None:
        """Into the mapping on top: keys and values in turn."""
        if type(self.stack[-1]) is not dict or not all(type(key) is str for key in items[::2]):
            raise pickle.UnpicklingError("has a key that is no text")  # hashing nested tuples can end the process
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        """To the list on top."""
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError("appends to what is no list")
        self.stack[-1].extend(items)

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Dtype):
            target.build(state)
        elif isinstance(target, np.ndarray):
            _, shape, dtype, is_fortran, content = state
            made = self.array(content, dtype, shape, "F" if is_fortran else "C")
            # In place: the memo may have it.
            self.stack[-1].__setstate__((1, made.shape, made.dtype, bool(is_fortran), made.tobytes("A")))
        else:
            raise pickle.UnpicklingError("has a state of what is no array")

    def read_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self.put(items)

    def read_bytearray(self) -> None:
        self.append(self.read(int.from_bytes(self.read(8), "little")))  # pickle's own takes the memory first


def _step(name: str) -> Callable[[Any], None]:
    own: dict[str, Callable[[_Unpickler], None]] = {
        "SETITEM": lambda self: self.put([self.stack.pop(-2), self.stack.pop()]),
        "SETITEMS": lambda self: self.put(self.pop_mark()),
        "APPEND": lambda self: self.extend([self.stack.pop()]),
        "APPENDS": lambda self: self.extend(self.pop_mark()),
        "DICT": _Unpickler.read_dict,
        "BUILD": _Unpickler.build,
        "BYTEARRAY8": _Unpickler.read_bytearray,
    }
    run: Callable[[Any], None] = own.get(name) or pickle._Unpickler.dispatch[getattr(pickle, name)[0]]

    def step(self: _Unpickler) -> None:
        self.steps += 1
        if self.steps > MOST:
            raise pickle.UnpicklingError(f"has more than {MOST:,} opcodes")
        run(self)

    return step


def _refuse(self: Any) -> None:
    raise pickle.UnpicklingError("has an opcode that no array needs")


_Unpickler.dispatch = {code: _refuse for code in range(256)}
_Unpickler.dispatch |= {getattr(pickle, name)[0]: _step(name) for name in _NEEDED.split()}


def _mapping(pairs: Any = ()) -> dict[str, Any]:
    made = {}
    for key, value in pairs:
        if type(key) is not str:
            raise pickle.UnpicklingError("has a key that is no text")
        made[key] = value
    return made


def _dtype(name: Any, *_: Any) -> _Dtype:
    return _Dtype(name)


def _not_called(*_: Any) -> None:
    raise pickle.UnpicklingError("calls numpy.ndarray, which no array needs")
