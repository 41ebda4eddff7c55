"""What experiments/audit.yaml may say: statements of the paper, and how each is checked against its own numbers."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from triplehead.plan.options import Options
from triplehead.plan.references import References
from triplehead.plan.schema import Exhibit

Cell = tuple[str, str, str]  # exhibit, row's label, metric
Place = tuple[str, str]  # exhibit, row's label


class Gain(Options):
    """A difference of two printed numbers, and what the paper says that it is."""

    of: Cell
    minus: Cell
    stated: float | None = None  # none: the paper states no number; the difference is what is told


class Quoted(Options):
    """A number of a table, as the text quotes it."""

    cell: Cell
    stated: float


class Read(Options):
    """Nothing to compute: the sentence is what was found."""

    name: Literal["read"] = "read"


class Differences(Options):
    """Stated gains are differences of printed numbers."""

    name: Literal["differences"]
    gains: Annotated[tuple[Gain, ...], Field(min_length=1)]


class Values(Options):
    """Numbers in the text stand in the tables."""

    name: Literal["values"]
    quoted: Annotated[tuple[Quoted, ...], Field(min_length=1)]


class Wins(Options):
    """A row beats `over` and is beaten by `under`, rows of the same exhibit, in each of these metrics.

    beside: metrics that the statement does not name; in which of them it would not hold is told, and not judged.
    """

    name: Literal["wins"]
    of: Place
    over: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    beside: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _against_somebody(self) -> Self:
        if not self.over and not self.under:
            raise ValueError("expected over, under or both")
        return self


class Spread(Options):
    """The largest difference between two of the rows is below one that the paper calls an effect."""

    name: Literal["spread"]
    rows: Annotated[tuple[Cell, ...], Field(min_length=2)]
    of: Cell
    minus: Cell


class Product(Options):
    """A stated number is the product that is printed beside it."""

    name: Literal["product"]
    stated: int
    factors: Annotated[tuple[int, ...], Field(min_length=2)]


class OneSetting(Options):
    """Rows whose resolved settings are equal have equal numbers."""

    name: Literal["one_setting"]
    rows: Annotated[tuple[Place, ...], Field(min_length=2)]


class DistinctTicks(Options):
    """Rows of a table that tell apart what was trained have different ticks."""

    name: Literal["distinct_ticks"]
    exhibit: str


class OwnNumbers(Options):
    """Two rows do not share a run of printed numbers."""

    name: Literal["own_numbers"]
    rows: tuple[Place, Place]
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]


class StandsIn(Options):
    """A row's numbers stand in another table too."""

    name: Literal["stands_in"]
    row: Place
    exhibit: str


class Profile(Options):
    """A row's share metric / AP lies among those of the table's other rows on the same backbone."""

    name: Literal["profile"]
    row: Place
    metric: str


class LowThreshold(Options):
    """AP at a lower IoU than AP50's is no smaller than AP50: more detections count as hits."""

    name: Literal["low_threshold"]
    stated: PositiveFloat


class Theta(Options):
    """Eqs. (5) and (6) with the rule of section 4.3.2: what the threshold decides."""

    name: Literal["theta"]
    theta: Annotated[float, Field(gt=0, lt=1)]


class Symbol(Options):
    """One symbol, one value."""

    name: Literal["symbol"]
    values: Annotated[dict[str, float], Field(min_length=2)]  # where -> value there


class CodeBase(Options):
    """Parameter counts by code base, from the layers in which they differ."""

    name: Literal["code_base"]
    exhibit: str


class Epochs(Options):
    """Passes over the training images in the stated iterations, under each count of images."""

    name: Literal["epochs"]
    iterations: PositiveInt
    batch_size: PositiveInt
    images: Annotated[dict[str, PositiveInt], Field(min_length=2)]  # how they were counted -> number


Check = Annotated[
    Read | Differences | Values | Wins | OneSetting | DistinctTicks | OwnNumbers | StandsIn | Profile | LowThreshold
    | Theta | Symbol | CodeBase | Epochs | Spread | Product,
    Field(discriminator="name"),
]  # fmt: skip


class AuditEntry(Options):
    """kind: what the entry is if the statement does not hold."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    kind: Literal["contradiction", "impossible", "implausible", "gap", "slip"]
    where: str  # in the paper
    sentence: str  # quoted, or what stands there
    what: str
    check: Check = Read()
    suite: str  # what the suite does about it


class Audit(Options):
    """experiments/audit.yaml."""

    entries: tuple[AuditEntry, ...] = ()


def check_audit(file: Path, audit: Audit, exhibits: dict[str, Exhibit]) -> None:
    """Raises InputError for an id given twice, and for a place or number that no table has."""
    find = References(file, exhibits)
    find.unique("entries", [entry.id for entry in audit.entries])
    for index, entry in enumerate(audit.entries):
        at, check = f"entries.{index}.check", entry.check
        for exhibit, label, metrics in _numbers(check):
            find.published(at, exhibit, label, metrics)
        match check:
            case OneSetting():
                for exhibit, label in check.rows:
                    find.trained(at, exhibit, label, ", so it has no settings")
            case StandsIn() | DistinctTicks():
                find.exhibit(at, check.exhibit)
            case CodeBase():
                for label in ("FCOS", "Faster R-CNN"):
                    find.published(at, check.exhibit, label, ("parameters",))


def _numbers(check: Check) -> list[tuple[str, str, tuple[str, ...]]]:
    """Published numbers that a check needs: exhibit, label, metrics."""
    match check:
        case Differences():
            cells = [cell for gain in check.gains for cell in (gain.of, gain.minus)]
            return [(exhibit, label, (metric,)) for exhibit, label, metric in cells]
        case Values():
            return [(exhibit, label, (metric,)) for exhibit, label, metric in (quoted.cell for quoted in check.quoted)]
        case Wins():
            exhibit, label = check.of
            metrics = (*check.metrics, *check.beside)
            return [(exhibit, other, metrics) for other in (label, *check.over, *check.under)]
        case Spread():
            cells = [*check.rows, check.of, check.minus]
            return [(exhibit, label, (metric,)) for exhibit, label, metric in cells]
        case OwnNumbers():
            return [(*row, check.metrics) for row in check.rows]
        case StandsIn():
            return [(*check.row, ())]
        case Profile():
            return [(*check.row, (check.metric, "AP"))]
    return []
