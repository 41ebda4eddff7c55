"""Classes of the user's folder: found by dotted path, imported, and held to what the detector asks of them.

The one place of plan/ that may import torch, and only if the user's module does. A folder becomes a package of its own
name, so that neither sys.path nor a module called random.py comes between the user and anybody else.
"""

import ast
import hashlib
import inspect
import json
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from triplehead.errors import InputError
from triplehead.plan.options import Options, OwnPart

Part = Literal["assigner", "head", "box loss"]


@dataclass(frozen=True)
class Contract:
    """What a class must be: the arguments of its constructor, its method, and that method's arguments."""

    made_of: tuple[str, ...]
    method: str
    takes: tuple[str, ...]
    is_module: bool = False


CONTRACTS: dict[Part, Contract] = {
    "assigner": Contract(("options",), "__call__", ("predictions", "points", "targets", "progress")),
    "head": Contract(("options", "channels", "num_classes", "strides"), "forward", ("features", "points"), True),
    "box loss": Contract(("options",), "__call__", ("boxes", "gt_boxes")),
}
_CLASSES: dict[tuple[str, str], Any] = {}  # (dotted path, digest of its source) -> what was imported here


def find(folder: Path, path: str, part: Part) -> tuple[Any, str]:
    """The class `path` (module.Class) of `folder`, and the digest of the files that define it.

    The digest covers the module and what it imports from the folder by relative imports. Raises ValueError, in one
    line, for a module or class that is not there, that cannot be imported, or that is no such part.
    """
    *packages, module, name = path.split(".")
    file = next((each for each in _places(folder.joinpath(*packages, module)) if each.is_file()), None)
    if file is None:
        raise ValueError(f"no module {'.'.join([*packages, module])!r} in {folder}")
    source = _digest(folder, _sources(folder, file))
    if (path, source) not in _CLASSES:
        loaded = _imported(folder, ".".join([*packages, module]), source)
        kind = getattr(loaded, name, None)
        if not isinstance(kind, type):
            classes = [key for key, value in vars(loaded).items() if _is_own(value, loaded)]
            raise ValueError(f"no class {name!r} in {file.name}; it has: {', '.join(classes) or 'none'}")
        _CLASSES[path, source] = kind
    kind = _CLASSES[path, source]
    _check(kind, part)
    return kind, source


def made_of(part: OwnPart) -> tuple[Any, Options]:
    """The class and its options behind a resolved part. Raises InputError if this process has not loaded it."""
    kind = _CLASSES.get((part.path, part.source))
    if kind is None:
        raise InputError(
            part.path, "is a class of your own that is not loaded as it was then; name its folder: extra=DIR"
        )
    return kind, kind.Options.model_validate_json(json.dumps(part.options))


def _places(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(f"{stem.name}.py"), stem / "__init__.py"


def _sources(folder: Path, file: Path) -> dict[Path, bytes]:
    """The file and all that it imports from its folder, however deep; `from . import x` and `from .x import y`."""
    found: dict[Path, bytes] = {}
    todo = [file]
    while todo:
        each = todo.pop()
        if each in found or not each.is_file() or not each.is_relative_to(folder):
            continue
        found[each] = each.read_bytes()
        todo += [
            parent / "__init__.py" for parent in each.parents if parent.is_relative_to(folder) and parent != folder
        ]
        try:
            nodes = list(ast.walk(ast.parse(found[each])))
        except (SyntaxError, ValueError) as error:
            at = getattr(error, "lineno", None)
            line = f", line {at}" if at else ""
            raise ValueError(f"{each.name}{line}: is no Python ({getattr(error, 'msg', error)})") from None
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.level:
                base = each.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                stems = [base, *(base / alias.name for alias in node.names)]
                todo += [place for stem in stems for place in _places(stem)]
    return found


def _digest(folder: Path, sources: dict[Path, bytes]) -> str:
    names = {str(file.relative_to(folder).as_posix()): text for file, text in sources.items()}
    whole = hashlib.sha256()
    for name in sorted(names):
        whole.update(f"{name}\0{len(names[name])}\0".encode() + names[name])
    return whole.hexdigest()[:10]


def _imported(folder: Path, module: str, source: str) -> ModuleType:
    """Each state of the source is a package of its own: what was imported before an edit stays as it was."""
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]
    package = f"triplehead_own_{place}_{source}"
    root = sys.modules.setdefault(package, ModuleType(package, f"Classes in {folder}."))
    root.__path__ = [str(folder.resolve())]
    invalidate_caches()
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # it would be stale after an edit of equal length
    try:
        with redirect_stdout(sys.stderr):  # stdout is the command's
            return import_module(f"{package}.{module}")
    except (Exception, SystemExit) as error:
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        raise ValueError(_why(error, folder)) from None
    finally:
        sys.dont_write_bytecode = before


def _why(error: BaseException, folder: Path) -> str:
    """Where in the folder an import failed, and of what."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder.resolve())
    ]
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
    text = f"{place}{type(error).__name__}: {' '.join(str(error).split())}"
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if missing and any(each.is_file() for each in _places(folder / missing)):
        text += f"; a neighbour is imported by `from . import {missing}`"
    return text


def _is_own(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__ and not issubclass(value, Options)


def _check(kind: type, part: Part) -> None:
    contract = CONTRACTS[part]
    options = getattr(kind, "Options", None)
    if not (isinstance(options, type) and issubclass(options, Options)):
        raise ValueError(
            f"{kind.__name__} has no Options, a class of triplehead.plan.options.Options; docs/your-own.md"
        )
    if contract.is_module and not any(_is_torch_module(base) for base in kind.__mro__):
        raise ValueError(f"{kind.__name__} is no torch.nn.Module, as a {part} must be")
    if not any(contract.method in vars(base) for base in kind.__mro__ if not _is_torch_module(base)):
        raise ValueError(
            f"{kind.__name__} has no {contract.method}({', '.join(contract.takes)}), as a {part} must have"
        )
    for what, function, arguments in (
        ("constructor", kind, contract.made_of),
        (contract.method, getattr(kind, contract.method), ("self", *contract.takes)),
    ):
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            wanted = ", ".join(name for name in arguments if name != "self")
            raise ValueError(f"{kind.__name__}'s {what} does not take ({wanted}): {error}") from None


def _is_torch_module(base: type) -> bool:
    return (base.__module__, base.__name__) == ("torch.nn.modules.module", "Module")
