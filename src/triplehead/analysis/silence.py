"""What the silence costs: the effect of every open choice on the default, paired by seed."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from triplehead.analysis.claims.numbers import interval, signed
from triplehead.analysis.csv_files import read_columns
from triplehead.analysis.statistics import difference
from triplehead.errors import InputError
from triplehead.paths import atomic
from triplehead.plan.plan import Plan
from triplehead.plan.silence import SILENCE, Variant, text

COLUMNS = (
    "switch",
    "value",
    "default",
    "row",
    "metric",
    "effect",
    "low",
    "high",
    "n",
    "scale",
    "run_ids",
    "base_run_ids",
)
NUMBERS = ("effect", "low", "high")


@dataclass(frozen=True)
class Effect:
    """A variant's score minus the default's, in points; default: the switch's value in force; row: of which detector.
    low, high: 95% interval of the difference; None below two seeds."""

    switch: str
    value: str
    default: str
    row: str
    metric: str
    effect: float | None
    low: float | None
    high: float | None
    n: int
    scale: str
    run_ids: str
    base_run_ids: str


def effects(plan: Plan, results: Path) -> list[Effect]:
    """Reads the scores of the variants' runs and of their rows'. Raises InputError for a run without scores."""
    for spec in (spec for variant in plan.variants for spec in (*variant.specs, *plan.specs[variant.base])):
        path = results / "runs" / spec.id / "scores.json"
        if not path.exists():
            raise InputError(path, f"no such file: run {plan.command('snakemake silence')} first")
    extended = plan.with_variants()
    return [_effect(extended, results, variant) for variant in plan.variants]


def _effect(plan: Plan, results: Path, variant: Variant) -> Effect:
    metric = plan.silence.metric
    found = difference(plan, results, (SILENCE, variant.label), variant.base, metric)
    low, high = (found.low, found.high) if found.n > 1 else (None, None)  # one seed's interval is of one model
    return Effect(
        *_identity(plan, variant), found.value, low, high, found.n, plan.config.scale, *_runs(plan, variant)
    )  # fmt: skip


def _identity(plan: Plan, variant: Variant) -> tuple[str, str, str, str, str]:
    switch = next(each for each in plan.silence.switches if each.name == variant.switch)
    part = getattr(plan.specs[variant.base][0].detector, switch.part)
    return variant.switch, variant.value, text(getattr(part, switch.name)), variant.base[1], plan.silence.metric


def _runs(plan: Plan, variant: Variant) -> tuple[str, str]:
    """Ids of the variant's runs and of the default's, as one text each."""
    own, base = (";".join(spec.id for spec in specs) for specs in (variant.specs, plan.specs[variant.base]))
    return own, base


def write_csv(found: list[Effect], path: Path) -> None:
    """Four decimals, nothing where there is no number; written atomically."""
    frame = pd.DataFrame([asdict(effect) for effect in found], columns=list(COLUMNS)).astype(object)
    for name in NUMBERS:
        frame[name] = ["" if pd.isna(value) else f"{value:z.4f}" for value in frame[name]]
    with atomic(path) as file:
        file.write_text(frame.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


def read_csv(path: Path) -> pd.DataFrame:
    """Raises InputError if the file is missing or is no such table."""
    return read_columns(path, COLUMNS, NUMBERS, "no such table; make it first", "is no table of effects")


def summary(plan: Plan, frame: pd.DataFrame) -> str:
    """One sentence on `frame` (from `read_csv`): which choice moves the score most; which others do for sure, by a 95%
    interval without 0; which hardly matter, by intervals within the region at every value; and which are undecided."""
    metric = plan.silence.metric
    if not plan.scale.meaningful:
        return f"At the {plan.config.scale} scale no effect means anything."
    known = frame[frame["effect"].notna()]
    if known.empty:
        return f"No effect on {metric} was measured."
    if known["low"].isna().any():
        largest = known.loc[known["effect"].abs().idxmax()]
        said = f"The largest of {len(known)} effects on {metric} is {_change(largest)}"
        return f"{said}; one seed does not tell it from noise."
    region = plan.silence.region
    moves = (known["low"] > 0) | (known["high"] < 0)
    small = (known["low"] >= -region) & (known["high"] <= region)
    switches = list(dict.fromkeys(known["switch"]))
    sure = [name for name in switches if moves[known["switch"] == name].any()]
    hardly = [name for name in switches if name not in sure and small[known["switch"] == name].all()]
    undecided = [name for name in switches if name not in (*sure, *hardly)]
    parts, few = [], f"within {region:g} points"
    if sure:
        worst = known[moves].loc[known[moves]["effect"].abs().idxmax()]
        parts.append(f"The open choice that moves {metric} most is {_change(worst)}")
        if others := [
            f"{name} ({few})" if small[known["switch"] == name].all() else name
            for name in sure
            if name != worst["switch"]
        ]:
            parts.append(f"also beyond noise: {', '.join(others)}")
    else:
        parts.append(f"None of the open choices moves {metric} beyond noise")
    if hardly:
        parts.append(f"{few} at every value, with all of the interval: {', '.join(hardly)}")
    if undecided:
        seeds = f"{known['n'].min()} seeds"
        parts.append(
            f"undecided with {seeds} (an interval holds 0, and effects beyond {region:g}): {', '.join(undecided)}"
        )
    return "; ".join(parts) + "."


def _change(effect: pd.Series) -> str:
    """For example: iou_target (coarse → final: −1.2 points [−1.6, −0.8])."""
    known = interval(effect["low"], effect["high"], "points")
    size = f"{signed(effect['effect'], 'points')} points{f' {known}' if known else ''}"
    return f"{effect['switch']} ({effect['default']} → {effect['value']}: {size})"


def is_of(plan: Plan, frame: pd.DataFrame) -> bool:
    """Whether `frame` (from `read_csv`) holds the variants of this plan, and no other scale's or spec's."""
    expected = [(*_identity(plan, variant), *_runs(plan, variant)) for variant in plan.variants]
    columns = ["switch", "value", "default", "row", "metric", "run_ids", "base_run_ids"]
    return list(frame[columns].itertuples(index=False, name=None)) == expected
