"""YAML in, validated models out; every mistake is one line with file, path and what is allowed."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import dropwhile
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from triplehead.errors import InputError, nearest, shown

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from typing_extensions import TypeForm

Model = TypeVar("Model")
LARGEST = 1_000_000  # values of a document
DEEPEST = 1000  # lists in lists


class _Loader(SafeLoader):
    """Safe YAML that refuses a key given twice and reads 1e-4 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {shown(key.value)} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds. Raises InputError naming file and line."""
    try:
        content = path.read_bytes()
        if sum(map(content.count, (b"[", b"{", b"- ", b"? "))) > DEEPEST:
            _check_depth(content)
        document = yaml.load(content, Loader=_Loader)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise InputError(path, f"{line}{getattr(error, 'problem', None) or 'not valid YAML'}") from None
    except UnicodeDecodeError:
        raise InputError(path, "not valid YAML (not UTF-8 text)") from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(path, f"not valid YAML ({error})") from None
    try:
        if _size(document) > LARGEST:
            raise InputError(path, f"holds more than {LARGEST:,} values, once its aliases are written out")
        json.dumps(document, default=str)
    except (ValueError, TypeError, RecursionError):
        raise InputError(path, "refers to itself, or has a key that is no word") from None
    if not isinstance(document, dict):
        raise InputError(path, f"expected a mapping at the top, found {type(document).__name__}")
    return document


def _check_depth(content: bytes) -> None:
    """Raises yaml.MarkedYAMLError: the composer goes down as deep as the document, and the process ends where C's stack
    does."""
    depth = 0
    for event in yaml.parse(content, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem="is nested too deep")


def _size(value: Any, known: dict[int, int] | None = None) -> int:
    """Values in a document, those below an alias again each time; nine lines can hold more than any memory."""
    known = {} if known is None else known
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(value)]


@dataclass(frozen=True)
class Layer:
    """One source of settings: later layers win.

    `prefix` is where `values` stand in `file`; `renamed` maps a first key to its place there instead.
    """

    file: Path
    prefix: str
    values: dict[str, Any]
    renamed: dict[str, str] = field(default_factory=dict)

    def place(self, path: list) -> str:
        """Where a key stands in the file, dotted, as its author wrote it."""
        parts = [str(part) for part in path]
        if parts and parts[0] in self.renamed:
            parts[0] = self.renamed[parts[0]]
        return ".".join([self.prefix, *parts] if self.prefix else parts)


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """Deep merge, later layers over earlier ones."""
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge_into(merged, layer.values)
    return merged


def _merge_into(target: dict, values: dict) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge_into(target[key], value)
        else:
            target[key] = json.loads(json.dumps(value, default=str)) if isinstance(value, dict | list) else value


def validate(model: "TypeForm[Model]", layers: Layer | Sequence[Layer]) -> Model:
    """Build `model` (a class or annotated union) from layered settings.

    JSON mode: lists become tuples, but no other value is converted. Raises InputError that names the layer
    which holds the offending value.
    """
    layers = [layers] if isinstance(layers, Layer) else list(layers)
    values = merge(layers)
    form: Any = model  # mypy would not have a type form be hashable
    try:
        return _adapter(form).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise _explain(model, layers, error) from None


@cache  # building one takes longer than a validation, and a sweep has thousands
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _explain(model: Any, layers: list[Layer], error: ValidationError) -> InputError:
    details = _first(error.errors(include_url=False))
    path = _document_path(details["loc"], merge(layers))
    kind = details["type"]
    message = details["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        allowed = _keys_at(model, details["loc"][:-1])
        hint = nearest(str(details["loc"][-1]), allowed)
        message = f"unknown key; {hint}allowed: {', '.join(allowed)}"
    elif kind == "missing":
        message = "required, but missing"
    elif kind == "union_tag_invalid":
        message = f"found {shown(details['ctx']['tag'])}, allowed: {details['ctx']['expected_tags']}"
        path = [*path, details["ctx"]["discriminator"].strip("'")]
    elif kind == "union_tag_not_found":
        message = f"required, but {details['ctx']['discriminator']} is missing"
    else:
        message = message[0].lower() + message[1:]
        if not isinstance(details["input"], dict | list):
            message += f", found {shown(details['input'])}"
    if kind == "value_error":
        layer, path, message = _of_a_whole(layers, path, message)
    else:
        layer = _last_with(layers, path)
    where = layer.place(path)
    return InputError(layer.file, f"{where}: {message}" if where else message)


def _first(found: list["ErrorDetails"]) -> "ErrorDetails":
    """The mistake to speak of: an unknown key before what is missing beside it, which it may be misspelt."""
    first = found[0]
    if first["type"] != "missing":
        return first
    unknown = (each for each in found if each["type"] == "extra_forbidden" and each["loc"][:-1] == first["loc"][:-1])
    return next(unknown, first)


def _of_a_whole(layers: list[Layer], path: list, message: str) -> tuple[Layer, list, str]:
    """To blame for what the validator of a whole model at `path` says: the last layer with a setting that it names.

    Its message begins with the place of one setting below `path` ("assigner.boundaries: the ..."), which becomes the
    path where that layer holds it, or speaks of some ("long must be at least short").
    """

    def below(name: str) -> list:
        return [*path, *(int(part) if part.isdigit() else part for part in name.split("."))]

    named = [below(name) for name in re.findall(r"[a-z]\w*(?:\.\w+)*", message)]
    layer = next(
        (layer for layer in reversed(layers) if any(_holds(layer.values, name) for name in named)),
        _last_with(layers, path),
    )
    place, colon, rest = message.partition(": ")
    if colon and re.fullmatch(r"\w+(\.\w+)*", place) and _holds(layer.values, below(place)):
        return layer, below(place), rest
    return layer, path, message


def _last_with(layers: list[Layer], path: list) -> Layer:
    """The last layer that holds `path`, or as much of it as any does."""
    for end in range(len(path), 0, -1):
        for layer in reversed(layers):
            if _holds(layer.values, path[:end]):
                return layer
    return layers[-1]


def _document_path(loc: tuple, values: Any) -> list:
    """Drop what pydantic adds to a location (union tags), keep what stands in the document."""
    path = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if _has(values, part):
            values = values[part]
        elif part == "[key]" or not last or not isinstance(values, dict | list) or part in _tags(values):
            continue
        path.append(part)
    return path


def _tags(values: Any) -> list:
    return [values.get(tag) for tag in _TAGS] if isinstance(values, dict) else []


def _holds(values: Any, path: list) -> bool:
    for part in path:
        if not _has(values, part):
            return False
        values = values[part]
    return True


def _has(values: Any, part: str | int) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, dict) and part in values


def _keys_at(model: Any, loc: tuple) -> list[str]:
    """The keys that the model reached by a pydantic location takes."""
    if not loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            return list(model.model_fields)
        for option in get_args(model):
            if keys := _keys_at(option, loc):
                return keys
        return []
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(str(loc[0]))
        return _keys_at(field.annotation, loc[1:]) if field else []
    origin, arguments = get_origin(model), get_args(model)
    if origin in (Union, UnionType):
        for option in arguments:
            fields = getattr(option, "model_fields", {})
            named = [name for tag in _TAGS if tag in fields for name in get_args(fields[tag].annotation)]
            rest = tuple(dropwhile(named.__contains__, loc))  # a union in a union adds two tags
            if keys := _keys_at(option, rest):
                return keys
        return []
    if origin is dict:
        return _keys_at(arguments[1], loc[1:])
    if origin in (tuple, list):
        return _keys_at(arguments[0], loc[1:])
    return _keys_at(arguments[0], loc) if arguments else []


_TAGS = ("name", "source", "architecture", "kind", "layout")
