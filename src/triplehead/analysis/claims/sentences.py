"""One plain sentence for each verdict."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from triplehead.analysis.claims.numbers import signed
from triplehead.analysis.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_MEASURED,
    SUPPORTED,
    TOO_FEW,
    Comparison,
    size,
)
from triplehead.plan.plan import Plan

if TYPE_CHECKING:
    from triplehead.analysis.claims.ledger import Judged


SMALL_DATA = "About the mechanism on small data, not about COCO's numbers"
PAPER_SCALE = "At the paper's scale"
NOT_JUDGED = "Not judged: "


def says(
    entry: "Judged",
    plan: Plan,
    deciding: Comparison | None = None,
    remarks: Sequence[str] = (),
    reason: str | None = None,
) -> str:
    """What was found, about what, and at which scale; without numbers where the entry has none."""
    if entry.verdict == NOT_MEASURED:
        return f"{NOT_JUDGED}{reason or 'nothing was measured, or no number'}."
    if entry.kind == "parameters":
        return f"Counted exactly, at any scale: {'as claimed' if entry.verdict == SUPPORTED else 'not as claimed'}."
    if entry.verdict == TOO_FEW:
        return f"{NOT_JUDGED}{entry.n} of the {entry.n_needed} seeds that a verdict needs."
    measured = size(deciding) if deciding is not None and plan.at_paper_scale else None
    found = {
        SUPPORTED: {"smaller": "Smaller than claimed", "larger": "Larger than claimed"}.get(
            measured or "", "As claimed"
        ),
        CONTRADICTED: "Not as claimed",
        INCONCLUSIVE: "Undecided",
    }[entry.verdict]
    interval = f"interval over {entry.interval_over}"
    claimed = deciding.claim if deciding is not None else None
    if claimed == "equal":
        within = _region(entry)
        found += {
            SUPPORTED: f": the whole {interval} lies within {within}",
            CONTRADICTED: f": the whole {interval} lies beyond {within}",
            INCONCLUSIVE: f": the {interval} is wider than {within} can tell",
        }[entry.verdict]
    elif claimed is not None:
        effect = _beyond(claimed, entry)
        found += {
            SUPPORTED: f": the {interval} shows {effect}",
            CONTRADICTED: f": the {interval} rules out {effect}",
            INCONCLUSIVE: f": the {interval} holds {effect} and none",
        }[entry.verdict]
    if measured is not None:
        found += f", and {_published(entry, measured, claimed)}"
    about = [_about(entry, plan), *remarks]
    return f"{found}. {'; '.join(about)}."


def _about(entry: "Judged", plan: Plan) -> str:
    """What a verdict at this scale is about."""
    if entry.kind == "ratio":
        return "About these detectors on this machine" + ("" if plan.at_paper_scale else ", not the paper's")
    about = PAPER_SCALE if plan.at_paper_scale else SMALL_DATA
    return f"{about}, with {plan.conditions}" if plan.conditions else about


def shortened(sentence: str) -> str:
    """What `says` makes of a claim, for a list of them that says once what all verdicts at its scale are about."""
    for about in (SMALL_DATA, PAPER_SCALE):
        before, found, after = sentence.partition(f" {about}")
        if found:  # ", with conditions; the remarks." is left of it
            rest = re.sub(r"^, with [^;]*?(?=;|\.$)", "", after).lstrip("; ").removeprefix(".")
            return f"{before} {rest[:1].upper()}{rest[1:]}".rstrip()
    return sentence


def _published(entry: "Judged", measured: str, claimed: str | None) -> str:
    """Where the interval lies beside the published number."""
    number = signed(entry.published, entry.unit) + (f" ({entry.published_as})" if entry.published_as else "")
    if measured == "published":
        return f"holds the published {number}"
    return f"lies {'below' if (measured == 'smaller') == (claimed == 'greater') else 'above'} the published {number}"


def _beyond(claimed: str, entry: "Judged") -> str:
    """The claimed effect in words."""
    effect = {"greater": "a gain", "less": "a loss", "different": "a change"}[claimed]
    return f"{effect} of more than {_region(entry)}" if entry.region else effect


def _region(entry: "Judged") -> str:
    if entry.unit == "ratio":
        return f"{100 * entry.region:g}%"
    return f"{entry.region:g}{'%' if entry.unit == '%' else ' points'}"
