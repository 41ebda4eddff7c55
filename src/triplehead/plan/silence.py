"""What experiments/silence.yaml may say: the choices that the paper leaves open, to be varied one at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from triplehead.errors import InputError
from triplehead.plan.claims import Claims, Place
from triplehead.plan.options import Options
from triplehead.plan.references import References
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import SCORES, Exhibit, Spec

SILENCE = "silence"  # the name of the target, and of what stands for an exhibit in a run's users


class Switch(Options):
    """A setting and the values that it is given; the one in force is the default and needs no run."""

    part: Literal["head", "assigner", "loss", "postprocess"]
    name: str
    values: Annotated[tuple[bool | int | float | str, ...], Field(min_length=2)]
    row: Place | None = None  # whose detector has the switch; none: the file's


class Silence(Options):
    """experiments/silence.yaml."""

    row: Place = ("table5", "All")
    metric: str = "AP"
    region: Annotated[float, Field(gt=0)] = 0.5  # differences up to it make no practical difference, points
    beside: tuple[str, ...] = ()  # ids of claims whose published effects are drawn beside
    switches: tuple[Switch, ...] = ()

    def row_of(self, switch: Switch) -> Place:
        """Whose detector the switch changes."""
        return switch.row or self.row


@dataclass(frozen=True)
class Variant:
    """One switch at one other value: its row's specs, a seed each, and those of the row that it departs from."""

    switch: str
    value: str
    base: Place
    specs: tuple[RunSpec, ...]

    @property
    def label(self) -> str:
        """For example "fallback = background": what names the variant in plans and figures."""
        return f"{self.switch} = {self.value}"


def varied(switch: Switch, value: bool | int | float | str, spec: Spec) -> Spec:
    """`spec` with the switch at `value`."""
    settings = getattr(spec, switch.part) | {switch.name: value}
    return spec.model_copy(update={switch.part: settings})


def text(value: bool | int | float | str) -> str:
    """As a reader would have it: True -> "yes", 0.5 -> "0.5"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def check_silence(file: Path, silence: Silence, claims: Claims, exhibits: dict[str, Exhibit]) -> None:
    """Raises InputError for a row, claim or metric that does not exist, and for a row that has no dense detector."""
    find = References(file, exhibits)
    for at, (exhibit, label) in [("row", silence.row)] + [
        (f"switches.{index}.row", silence.row_of(switch)) for index, switch in enumerate(silence.switches)
    ]:
        find.trained(at, exhibit, label)
        allowed = SCORES[exhibits[exhibit].protocol] if exhibits[exhibit].kind == "scores" else ()
        if silence.metric not in allowed:
            raise InputError(
                file, f"metric: no {silence.metric!r} in {exhibit}; allowed: {', '.join(allowed) or 'none'}"
            )
    known = {claim.id: claim for claim in claims.claims if claim.quantity.kind == "difference"}
    for index, name in enumerate(silence.beside):
        if name not in known or known[name].published is None:
            raise InputError(file, f"beside.{index}: no claimed difference {name!r}; allowed: {', '.join(known)}")
