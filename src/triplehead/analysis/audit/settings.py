"""Statements about what was trained, checked on resolved settings and printed ticks."""

from triplehead.analysis.audit.outcome import Outcome, number, table
from triplehead.plan.audit import DistinctTicks, OneSetting
from triplehead.plan.experiments import Experiments
from triplehead.plan.schema import Exhibit

SCALE = "paper"  # whose settings the paper's rows have


def one_setting(check: OneSetting, experiments: Experiments) -> Outcome:
    """Rows that resolve to the same settings must print the same numbers."""
    scale = experiments.scale(SCALE)
    specs = set()
    numbers: dict[str, list[str]] = {}
    for exhibit, label in check.rows:
        rows = experiments.exhibits[exhibit].rows
        index = next(index for index, row in enumerate(rows) if row.label == label)
        specs.add(experiments.resolve(SCALE, scale, exhibit, index))
        numbers.setdefault("/".join(map(number, rows[index].published.values())), []).append(
            f"{table(exhibit)}, {label}"
        )
    if len(specs) > 1:
        return Outcome(True, f"{len(specs)} different settings")
    text = "; ".join(f"{'; '.join(places)}: {values}" for values, places in numbers.items())
    return Outcome(len(numbers) == 1, f"one and the same set-up. {text}")


def distinct_ticks(check: DistinctTicks, exhibits: dict[str, Exhibit]) -> Outcome:
    """No two rows of a table have the same ticks."""
    rows: dict[str, list[int]] = {}
    declared = exhibits[check.exhibit].rows
    for place, row in enumerate(declared):
        rows.setdefault(repr(sorted(row.ticks.items())), []).append(place)
    twins = [places for places in rows.values() if len(places) > 1]
    if not twins:
        return Outcome(True, f"{len(declared)} rows, {len(rows)} combinations of ticks")
    text = "; ".join(
        f"rows {' and '.join(str(place + 1) for place in places)} have the same ticks: AP "
        + " and ".join(number(declared[place].published["AP"]) for place in places)
        for places in twins
    )
    return Outcome(False, text)
