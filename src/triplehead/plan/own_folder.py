"""The user's own experiments: tables, figures and claims of a folder beside the paper's, named by `extra`.

A table may hold rows of the paper's tables, so that their runs are shared: single ones by `same_as: [table5, JLA]`, or
all of a table by `beside: table5`, whose published numbers it then prints too. The paper's own tables never change.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triplehead.errors import InputError
from triplehead.plan.claims import Claims
from triplehead.plan.documents import Layer, read_yaml, validate
from triplehead.plan.hints import command
from triplehead.plan.names import name_of
from triplehead.plan.references import References
from triplehead.plan.schema import Exhibit, Row

GROUP = "Yours"  # above rows that do not say theirs
# What lies below results/ under the names that tables and figures would have.
RESERVED = ("claims", "silence", "calibration", "mlflow", "runs", "data", "pretrained", "scratch", "speed")
INHERITED = ("kind", "metrics", "protocol", "average", "split")  # not its columns of ticks: your rows have none


@dataclass(frozen=True)
class OwnExhibit:
    """file: where it stands. first: how many rows of the paper come before the first of the file."""

    file: Path
    exhibit: Exhibit
    first: int = 0


def read_exhibits(folder: Path, paper: dict[str, Exhibit]) -> dict[str, OwnExhibit]:
    """The folder's tables, then its figures. Raises InputError for one that is wrong, and where there is none."""
    if not folder.is_dir():
        raise InputError(
            folder, f"no such folder, expected that of your experiments; {command('triplehead new')} makes one"
        )
    files = sorted(file for file in folder.glob("*.yaml") if not _holds_claims(file))
    if not files:
        raise InputError(folder, f"holds no table (*.yaml); {command('triplehead new assigner NAME')} writes one")
    found, known = {}, dict(paper)
    names = {file: name_of(file, "table") for file in files}
    for file in sorted(files, key=lambda file: read_yaml(file).get("kind") == "figure"):  # which may name their rows
        name = names[file]
        if name in RESERVED or name in paper:
            raise InputError(file, f"{name!r} is taken, expected a name of its own")
        found[name] = _read(file, known)
        known[name] = found[name].exhibit
    return found


def read_claims(folder: Path) -> dict[Path, Claims]:
    """claims.yaml and claims_*.yaml: claims need neither section nor sentence, and carry their file's seeds."""
    found = {}
    for file in sorted(filter(_holds_claims, folder.glob("*.yaml"))):
        document = read_yaml(file)
        claims = document.get("claims")
        if isinstance(claims, list):
            document["claims"] = [
                {"section": "yours", "sentence": each.get("title")} | each if isinstance(each, dict) else each
                for each in claims
            ]
        declared = validate(Claims, Layer(file, "", document))
        with_seeds = (claim.model_copy(update={"seeds": declared.seeds_of(claim)}) for claim in declared.claims)
        found[file] = declared.model_copy(update={"claims": tuple(with_seeds)})
    return found


def _holds_claims(file: Path) -> bool:
    return file.stem == "claims" or file.stem.startswith("claims_")


def _read(file: Path, paper: dict[str, Exhibit]) -> OwnExhibit:
    document, find = read_yaml(file), References(file, paper)
    beside = document.pop("beside", None)
    if "section" in document:
        raise InputError(file, "section: is a place in the paper, where your experiments have none")
    base = None
    if beside is not None:
        base = find.exhibit("beside", beside if isinstance(beside, str) else repr(beside))
        if base.kind == "figure":
            raise InputError(file, f"beside: {beside} is a figure, expected a table; a figure is `drawn_as` another")
        inherited = base.model_dump(mode="json", include=set(INHERITED))
        document = inherited | {"title": f"{base.title}, and yours"} | document
    for index, row in enumerate(document.get("rows") or []):
        if isinstance(row, dict):
            document["rows"][index] = _row(row, f"rows.{index}", file, find, document, beside is not None)
    exhibit = validate(Exhibit, Layer(file, "", document))
    if exhibit.kind == "figure" and exhibit.drawn_as is None:
        raise InputError(file, "drawn_as: required of a figure, the name of one that is drawn: fig5, for example")
    if base is None:
        return OwnExhibit(file, exhibit)
    return _joined(file, beside, base, exhibit)


def _joined(file: Path, name: str, base: Exhibit, exhibit: Exhibit) -> OwnExhibit:
    """The rows of a table of the paper, then those of the file, each under its heading."""
    number = name.removeprefix("table")
    above = [
        _cited(row, exhibit).model_copy(update={"group": row.group or f"The paper's Table {number}"})
        for row in base.rows
    ]
    taken = {row.label for row in above}
    if clash := next((index for index, row in enumerate(exhibit.rows) if row.label in taken), None):
        raise InputError(file, f"rows.{clash}.label: {exhibit.rows[clash].label!r} is a row of {name}")
    return OwnExhibit(file, exhibit.model_copy(update={"rows": (*above, *exhibit.rows)}), len(above))


def _cited(row: Row, exhibit: Exhibit) -> Row:
    """A row of the paper as far as `exhibit` prints it; its band is the paper's table's."""
    published = {metric: value for metric, value in row.published.items() if metric in exhibit.metrics}
    ticks = {column: value for column, value in row.ticks.items() if column in exhibit.columns}
    return row.model_copy(update={"published": published, "ticks": ticks, "accept": {}})


def _row(row: dict[str, Any], at: str, file: Path, find: References, document: dict, in_block: bool) -> dict[str, Any]:
    if "published" in row:
        raise InputError(file, f"{at}.published: is what the paper prints, and your rows are not in it")
    if "same_as" not in row:
        return {"group": GROUP} | row if in_block else row
    place = row["same_as"]
    if not (isinstance(place, list) and len(place) == 2 and all(isinstance(part, str) for part in place)):
        raise InputError(file, f"{at}.same_as: expected [exhibit, label], found {place!r}")
    if "spec" in row:
        raise InputError(file, f"{at}.spec: the row is same_as {', '.join(place)}, which has its own")
    original = find.row(f"{at}.same_as", *place).model_dump(mode="json", exclude={"accept"}, exclude_unset=True)
    for part, allowed in (("published", document.get("metrics")), ("ticks", document.get("columns"))):
        kept = {key: value for key, value in original.get(part, {}).items() if key in (allowed or ())}
        original[part] = kept
    if original.get("spec") is None:  # a row that is only cited
        original.pop("spec", None)
    return original | {key: value for key, value in row.items() if key != "same_as"}
