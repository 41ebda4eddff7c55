"""From entries to findings."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from triplehead.analysis.audit import equations, settings, statements
from triplehead.analysis.audit.outcome import Outcome
from triplehead.paths import EXPERIMENTS
from triplehead.plan.audit import AuditEntry, Read
from triplehead.plan.experiments import Experiments
from triplehead.plan.schema import Exhibit

AGREES = "agrees"
NAMES = {  # of an outcome: one, several
    AGREES: ("agrees", "agree"),
    "contradiction": ("contradiction", "contradictions"),
    "impossible": ("impossible statement", "impossible statements"),
    "implausible": ("implausible number", "implausible numbers"),
    "gap": ("gap", "gaps"),
    "slip": ("slip", "slips"),
}
ON_NUMBERS: dict[str, Callable[..., Outcome]] = {  # check's name -> function of the check and the exhibits
    "differences": statements.differences,
    "values": statements.values,
    "wins": statements.wins,
    "own_numbers": statements.own_numbers,
    "stands_in": statements.stands_in,
    "profile": statements.profile,
    "spread": statements.spread,
    "low_threshold": statements.low_threshold,
    "distinct_ticks": settings.distinct_ticks,
    "code_base": equations.code_base,
}
ALONE: dict[str, Callable[..., Outcome]] = {
    "product": statements.product,
    "theta": equations.theta,
    "symbol": equations.symbol,
    "epochs": equations.epochs,
}


@dataclass(frozen=True)
class Finding:
    """An entry and what its check gave. outcome: "agrees" if the statement holds, else the entry's kind."""

    id: str
    where: str
    sentence: str
    what: str
    how: str
    result: str
    outcome: str
    suite: str

    def document(self) -> dict[str, str]:
        return asdict(self)


def findings(folder: Path = EXPERIMENTS) -> list[Finding]:
    """Check every entry against the numbers that `folder` declares as published. Raises InputError for a bad file."""
    experiments = Experiments(folder)
    return [_finding(entry, experiments) for entry in experiments.audit.entries]


def tally(found: list[Finding]) -> list[tuple[str, str]]:
    """(number, outcome in words), of the outcomes that there are."""
    outcomes = [finding.outcome for finding in found]
    counts = {name: outcomes.count(name) for name in NAMES}
    return [(str(count), NAMES[name][count > 1]) for name, count in counts.items() if count]


def _finding(entry: AuditEntry, experiments: Experiments) -> Finding:
    found = _check(entry, experiments)
    return Finding(
        id=entry.id,
        where=entry.where,
        sentence=entry.sentence,
        what=entry.what,
        how="by reading" if found is None else "computed",
        result="" if found is None else found.text,
        outcome=AGREES if found is not None and found.holds else entry.kind,
        suite=entry.suite,
    )


def _check(entry: AuditEntry, experiments: Experiments) -> Outcome | None:
    check = entry.check
    if isinstance(check, Read):
        return None
    if check.name == "one_setting":
        return settings.one_setting(check, experiments)
    exhibits: dict[str, Exhibit] = experiments.exhibits
    return ALONE[check.name](check) if check.name in ALONE else ON_NUMBERS[check.name](check, exhibits)
