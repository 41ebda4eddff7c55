"""`{class: mine.TopK, options: {...}}` in a row of the user's tables -> the part that a run's spec keeps."""

from pathlib import Path
from typing import Any

from pydantic import Field

from triplehead.errors import InputError
from triplehead.plan import own_code
from triplehead.plan.documents import Layer, validate
from triplehead.plan.options import Options

KEYS = ("class", "options", "scales")
PLACES: dict[tuple[str, ...], own_code.Part] = {
    ("head",): "head",
    ("assigner",): "assigner",
    ("loss", "box"): "box loss",
}


class _ClassSpec(Options):
    """As written, but for the key `class`, which no field can be called."""

    path: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")
    options: dict[str, Any] = {}
    scales: dict[str, dict[str, Any]] = {}  # scale -> what it changes in the options


def resolved(row: Layer, folder: Path | None, scale: str, scales: tuple[str, ...]) -> Layer:
    """`row` (a spec's head, assigner, loss) with each class of `folder` as name, path, options and source.

    folder: the user's; None where a class may not be named. Raises InputError with file and place for a class that is
    not there or not of its kind, and for an option that it does not take.
    """
    values = dict(row.values)
    for place, part in PLACES.items():
        first, *rest = place
        given = values.get(first)
        for key in rest:
            given = given.get(key) if isinstance(given, dict) else None
        if not isinstance(given, dict):
            continue
        at = row.place(list(place))
        if given.get("name") == "own":
            raise InputError(row.file, f"{at}.name: a class of your own is named by `class: module.Class`")
        if "class" not in given:
            continue
        if folder is None:
            raise InputError(row.file, f"{at}.class: only tables of your own folder may name one; docs/your-own.md")
        found = _part(given, part, folder, row.file, at, scale, scales)
        values[first] = found if not rest else values[first] | {rest[0]: found}
    return Layer(row.file, row.prefix, values, row.renamed)


def _part(
    given: dict[str, Any], part: own_code.Part, folder: Path, file: Path, at: str, scale: str, scales: tuple[str, ...]
) -> dict[str, Any]:
    if unknown := [key for key in given if key not in KEYS]:
        raise InputError(file, f"{at}.{unknown[0]}: unknown key; allowed: {', '.join(KEYS)}")
    values = {"path" if key == "class" else key: value for key, value in given.items()}
    asked = validate(_ClassSpec, Layer(file, at, values, {"path": "class"}))
    if unknown := [name for name in asked.scales if name not in scales]:
        raise InputError(file, f"{at}.scales: no scale {unknown[0]!r}; allowed: {', '.join(scales)}")
    try:
        kind, source = own_code.find(folder, asked.path, part)
    except ValueError as error:
        raise InputError(file, f"{at}.class: {error}") from None
    layers = [
        Layer(file, f"{at}.options", asked.options),
        Layer(file, f"{at}.scales.{scale}", asked.scales.get(scale, {})),
    ]
    options = validate(kind.Options, layers)
    quality = getattr(options, "quality", "none")
    if part == "head" and quality not in ("none", "centerness", "iou"):
        raise InputError(file, f"{at}.options.quality: found {quality!r}, allowed: none, centerness, iou")
    dumped = options.model_dump(mode="json")
    return {"name": "own", "path": asked.path, "options": dumped, "source": source}
