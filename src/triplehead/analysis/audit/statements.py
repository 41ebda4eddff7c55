"""Statements about printed numbers, recomputed from those numbers."""

import re
from math import prod

from triplehead.analysis.audit.outcome import HALF, Outcome, number, printed, table
from triplehead.plan.audit import (
    Differences,
    LowThreshold,
    OwnNumbers,
    Product,
    Profile,
    Spread,
    StandsIn,
    Values,
    Wins,
)
from triplehead.plan.schema import Exhibit, Row

Exhibits = dict[str, Exhibit]


def differences(check: Differences, exhibits: Exhibits) -> Outcome:
    """Stated gains against differences; printed numbers have one digit, and so has their difference."""
    lines, holds = [], True
    for gain in check.gains:
        of, minus = printed(gain.of, exhibits), printed(gain.minus, exhibits)
        line = f"{number(of)} − {number(minus)} = {number(of - minus)}"
        if gain.stated is None:
            holds = False
        else:
            equal = abs(of - minus - gain.stated) < HALF
            line += f", stated {number(gain.stated)}"
            holds &= equal
        lines.append(line)
    return Outcome(holds, "; ".join(lines))


def values(check: Values, exhibits: Exhibits) -> Outcome:
    """Holds if each quoted number is its cell's, to half of the last printed digit."""
    lines, holds = [], True
    for quoted in check.quoted:
        value = printed(quoted.cell, exhibits)
        holds &= abs(value - quoted.stated) < HALF
        exhibit, label, _ = quoted.cell
        lines.append(f"{table(exhibit)}, {label}: {number(value)}, stated {number(quoted.stated)}")
    return Outcome(holds, "; ".join(lines))


def wins(check: Wins, exhibits: Exhibits) -> Outcome:
    """Strictly better: equal printed numbers are no win."""
    exhibit, label = check.of

    def against(metric: str) -> tuple[bool, str]:
        own = printed((exhibit, label, metric), exhibits)
        over = [printed((exhibit, other, metric), exhibits) for other in check.over]
        under = [printed((exhibit, other, metric), exhibits) for other in check.under]
        sides = [
            f"{word} {', '.join(map(number, side))}" for word, side in (("against", over), ("below", under)) if side
        ]
        won = all(own > other for other in over) and all(own < other for other in under)
        return won, f"{metric} {number(own)} {' and '.join(sides)}"

    judged = [against(metric) for metric in check.metrics]
    text = "; ".join(line for _, line in judged)
    if unlike := [line for won, line in map(against, check.beside) if not won]:
        text += f". Not so: {'; '.join(unlike)}"
    return Outcome(all(won for won, _ in judged), text)


def spread(check: Spread, exhibits: Exhibits) -> Outcome:
    """Holds where the rows lie closer together than the effect is large."""
    values = [printed(cell, exhibits) for cell in check.rows]
    of, minus = printed(check.of, exhibits), printed(check.minus, exhibits)
    width, effect = max(values) - min(values), of - minus
    text = f"{number(max(values))} − {number(min(values))} = {number(width)} between {len(values)} rows"
    text += f", {number(of)} − {number(minus)} = {number(effect)} between {check.of[1]} and {check.minus[1]}"
    return Outcome(width < effect - HALF, text)


def product(check: Product) -> Outcome:
    found = prod(check.factors)
    return Outcome(found == check.stated, f"{' × '.join(map(str, check.factors))} = {found}, stated {check.stated}")


def own_numbers(check: OwnNumbers, exhibits: Exhibits) -> Outcome:
    """Does not hold where every one of the metrics is the same in both rows."""
    rows = [[printed((exhibit, label, metric), exhibits) for metric in check.metrics] for exhibit, label in check.rows]
    lines = [f"{label}: {' '.join(map(number, row))}" for (_, label), row in zip(check.rows, rows, strict=True)]
    return Outcome(rows[0] != rows[1], f"{', '.join(check.metrics)}: {'; '.join(lines)}")


def stands_in(check: StandsIn, exhibits: Exhibits) -> Outcome:
    """Holds if a row of the other table prints the same numbers; else the nearest row is told."""
    exhibit, label = check.row
    own = next(row.published for row in exhibits[exhibit].rows if row.label == label)
    other = exhibits[check.exhibit].rows
    same = [row.label for row in other if row.published == own]
    if same:
        return Outcome(True, f"equal to {table(check.exhibit)}, {same[0]}")
    nearest = min(other, key=lambda row: sum(abs(row.published.get(name, 0) - value) for name, value in own.items()))
    numbers = "/".join(number(value) for value in own.values())
    theirs = "/".join(number(value) for value in nearest.published.values())
    return Outcome(False, f"{numbers}; the nearest row, {nearest.label}: {theirs}")


def profile(check: Profile, exhibits: Exhibits) -> Outcome:
    """The row's metric / AP against the range of the other rows whose label names the same backbone."""
    exhibit, label = check.row
    rows = {row.label: row for row in exhibits[exhibit].rows}
    backbone = _backbone(rows[label])
    shares = {
        name: row.published[check.metric] / row.published["AP"]
        for name, row in rows.items()
        if _backbone(row) == backbone and check.metric in row.published
    }
    own = shares.pop(label)
    low, high = min(shares.values()), max(shares.values())
    text = f"{check.metric} / AP = {own:.2f}; {low:.2f} to {high:.2f} in the {len(shares)} other rows on {backbone}"
    return Outcome(low <= own <= high, text)


def _backbone(row: Row) -> str:
    """However it is spelled: ResNet101 and ResNet-101-FPN are ResNet-101."""
    name = str(row.ticks.get("backbone", ""))
    depth = re.match(r"ResNet-?(\d+)", name)
    return f"ResNet-{depth.group(1)}" if depth else name


def low_threshold(check: LowThreshold, exhibits: Exhibits) -> Outcome:
    """If AP were taken at an IoU below AP50's, no row could print an AP below its AP50."""
    pairs = [
        (row.published["AP"], row.published["AP50"])
        for exhibit in exhibits.values()
        for row in exhibit.rows
        if {"AP", "AP50"} <= row.published.keys()
    ]
    below = sum(ap < ap50 for ap, ap50 in pairs)
    text = f"AP < AP50 in {below} of {len(pairs)} rows that print both; at IoU {check.stated:g} AP ≥ AP50"
    return Outcome(not below, text)
