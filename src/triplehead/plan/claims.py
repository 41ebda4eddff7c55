"""What experiments/claims.yaml may say: the paper's sentences as quantities that can be measured."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from triplehead.errors import InputError
from triplehead.plan.options import Options
from triplehead.plan.references import References
from triplehead.plan.schema import SCORES, Exhibit
from triplehead.plan.speed import SPEED_METRICS

Place = tuple[str, str]  # exhibit, row's label
Side = Literal["greater", "less"]


class Difference(Options):
    """A score of one row minus that of another, in percentage points."""

    kind: Literal["difference"]
    of: Place
    minus: Place
    metric: str = "AP"
    claim: Side = "greater"  # than nought


class Ratio(Options):
    """Frames per second of one row over another's."""

    kind: Literal["ratio"]
    of: Place
    over: Place
    metric: str = "FPS"
    claim: Side = "greater"  # than one


class Ordering(Options):
    """A chain of rows, the best first: each step is a difference."""

    kind: Literal["ordering"]
    rows: Annotated[tuple[Place, ...], Field(min_length=3)]
    metric: str = "AP"


class Best(Options):
    """A row beats each of the others: each is a difference."""

    kind: Literal["best"]
    of: Place
    over: Annotated[tuple[Place, ...], Field(min_length=1)]
    metric: str = "AP"


class Insensitive(Options):
    """No two of the rows differ by more than the region."""

    kind: Literal["insensitive"]
    rows: Annotated[tuple[Place, ...], Field(min_length=2)]
    metric: str = "AP"


class ShareAbove(Options):
    """Figure 5: by how many percent the share of predictions at or above an IoU exceeds that of another row."""

    kind: Literal["share_above"]
    of: Place
    minus: Place
    iou: Annotated[float, Field(ge=0.5, lt=1, multiple_of=0.05)]
    claim: Side = "greater"


class Trend(Options):
    """What becomes of a row's assignment in training, last minus first; less the same of row `minus`.

    positives: a box, means of the first and the last tenth of the learning curve, as a share of the first.
    positive_iou: mean IoU of the positives' predicted boxes with their object, in Figure 4's first and last snapshot.
    It rises with any detector that learns, so that it says something of an assignment only beside another.
    """

    kind: Literal["trend"]
    of: Place
    series: Literal["positives", "positive_iou"]
    minus: Place | None = None
    claim: Literal["grows", "shrinks", "changes"]

    @model_validator(mode="after")
    def _learning_alone_is_no_trend(self) -> Self:
        if self.series == "positive_iou" and self.minus is None:
            raise ValueError("minus: required of series positive_iou, which rises with any detector that learns")
        return self


class Parameters(Options):
    """A row's parameters at the paper's architecture: over another row's within bounds, or the published number."""

    kind: Literal["parameters"]
    of: Place
    over: Place | None = None
    within: tuple[PositiveFloat, PositiveFloat] | None = None

    @model_validator(mode="after")
    def _bounds_belong_to_a_ratio(self) -> Self:
        if (self.over is None) != (self.within is None):
            raise ValueError("expected both over and within, or neither")
        if self.within is not None and self.within[0] >= self.within[1]:
            raise ValueError("within must be [low, high]")
        return self


Quantity = Annotated[
    Difference | Ratio | Ordering | Best | Insensitive | ShareAbove | Trend | Parameters, Field(discriminator="kind")
]


class Claim(Options):
    """One sentence. region: differences up to it make no practical difference, in the quantity's unit."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    sentence: str
    section: str
    quantity: Quantity
    published: float | None = None  # none: the paper prints no number
    region: Annotated[float, Field(ge=0)] = 0.0
    seeds: Annotated[int, Field(ge=2)] | None = None  # fewest that are judged; none: the file's
    scales: tuple[str, ...] | None = None  # where it can be measured; none: at every scale
    why_not: str | None = None  # elsewhere
    remark: str | None = None  # a clause that ends the verdict's sentence

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.quantity.kind == "insensitive" and not self.region:
            raise ValueError("region: required of kind insensitive")
        if (self.scales is None) != (self.why_not is None):
            raise ValueError("expected both scales and why_not, or neither")
        return self


class Claims(Options):
    """experiments/claims.yaml."""

    seeds: Annotated[int, Field(ge=2)] = 3
    claims: tuple[Claim, ...] = ()

    def seeds_of(self, claim: Claim) -> int:
        """The fewest seeds that a claim is judged on."""
        return claim.seeds or self.seeds


def places(quantity: Quantity) -> tuple[Place, ...]:
    """The rows that a quantity is made of, without repetition."""
    named = (getattr(quantity, name, None) for name in ("of", "minus"))
    others = quantity.over if isinstance(quantity, Best) else (getattr(quantity, "over", None),)
    others = getattr(quantity, "rows", ()) or others
    return tuple(dict.fromkeys(place for place in (*named, *others) if place is not None))


def check_claims(file: Path, declared: Claims, exhibits: dict[str, Exhibit], scales: tuple[str, ...]) -> None:
    """Raises InputError for an id given twice, and for a scale, place or metric that does not exist."""
    find = References(file, exhibits)
    find.unique("claims", [claim.id for claim in declared.claims])
    for index, claim in enumerate(declared.claims):
        at, quantity = f"claims.{index}", claim.quantity
        if unknown := next((name for name in claim.scales or () if name not in scales), None):
            raise InputError(file, f"{at}.scales: no scale {unknown!r}; allowed: {', '.join(scales)}")
        for exhibit, label in places(quantity):
            find.row(f"{at}.quantity", exhibit, label)
            allowed = _metrics(quantity, exhibits[exhibit])
            metric = getattr(quantity, "metric", None)
            if allowed == ():
                problem = f"{exhibit} is a {exhibits[exhibit].kind}, which has no {quantity.kind}"
                raise InputError(file, f"{at}.quantity: {problem}")
            if metric is not None and metric not in allowed:
                problem = f"no metric {metric!r} in {exhibit}; allowed: {', '.join(allowed)}"
                raise InputError(file, f"{at}.quantity.metric: {problem}")
        if quantity.kind == "parameters" and quantity.over is None:
            find.published(f"{at}.quantity", *quantity.of, ("parameters",))


def _metrics(quantity: Quantity, exhibit: Exhibit) -> tuple[str, ...]:
    """What a quantity can be taken of in an exhibit; nothing, where it cannot."""
    scores = SCORES[exhibit.protocol] if exhibit.kind == "scores" else ()
    match quantity.kind:
        case "ratio":
            return SPEED_METRICS if exhibit.kind == "speed" else ()
        case "parameters":
            return ("parameters",) if exhibit.kind == "parameters" else ()
        case "share_above" | "trend":
            return ("detections",) if exhibit.kind in ("scores", "figure") else ()
    return scores
