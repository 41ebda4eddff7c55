"""The report's pages on what the paper says: the ledger of claims, the audit, what the silence costs."""

from operator import itemgetter
from pathlib import Path
from typing import Any

from triplehead.analysis.audit import findings, tally
from triplehead.analysis.claims.ledger import read_csv
from triplehead.analysis.claims.numbers import interval, published, signed
from triplehead.analysis.claims.sentences import NOT_JUDGED, SMALL_DATA, shortened
from triplehead.analysis.claims.verdict import NOT_MEASURED, VERDICTS
from triplehead.errors import InputError
from triplehead.plan.plan import Plan

# The claims that the first page shows: the method as a whole, its parts, what it costs.
HEADLINES = (
    "ours-over-baseline", "ours-over-fcos", "jla-gain", "triple-head-complete", "components-add-up", "heads-best",
    "small-objects", "voc-fcos", "visdrone-fcos", "slower-than-fcos",
    "faster-than-faster-rcnn", "parameters-exact",
)  # fmt: skip


def claims_content(plan: Plan, results: Path) -> dict[str, Any]:
    """Counts of the verdicts, the lines of HEADLINES, a line for each claim that was judged, and of the others their
    titles by the reason, from results/claims.csv; `own`: the lines of the user's claims; `about`: what goes for all.

    Raises InputError if that file is of other claims, another scale or other runs.
    """
    path = results / "claims.csv"
    frame = read_csv(path)
    found = frame.astype(object).where(frame.notna(), None).to_dict("records")
    declared = {claim.id: claim for claim in plan.claims.claims}
    if [entry["claim"] for entry in found] != list(declared):
        raise InputError(path, "holds other claims than experiments/claims.yaml; make it again")
    lines: list[dict[str, str]] = []
    own: list[dict[str, str]] = []
    headlines = []
    for entry in found:
        claim = declared[entry["claim"]]
        _check(plan, path, entry)
        (own if claim.id in plan.own else lines).append(
            {
                "title": entry["title"],
                "quote": entry["quote"],
                "section": entry["section"],
                "compared": entry["compared"] if claim.quantity.kind in ("best", "ordering", "insensitive") else "",
                "published": published(entry["published"], entry["unit"], entry["kind"]),
                "value": signed(entry["value"], entry["unit"]),
                "interval": interval(entry["low"], entry["high"], entry["unit"]),
                "n": str(entry["n"]) if entry["n"] and entry["kind"] != "parameters" else "",
                "verdict": entry["verdict"],
                "says": shortened(entry["says"]),
            }
        )
        if claim.id in HEADLINES:
            headlines.append((HEADLINES.index(claim.id), lines[-1]))
    verdicts = [line["verdict"] for line in lines]
    unjudged: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        if line["verdict"] == NOT_MEASURED:
            unjudged.setdefault(_reason(line["says"]), []).append(line)
    return {
        "headlines": [line for _, line in sorted(headlines, key=itemgetter(0))],
        "lines": [line for line in lines if line["verdict"] != NOT_MEASURED],
        "unjudged": [{"reason": reason, "lines": named} for reason, named in unjudged.items()],
        "counts": [[name, str(verdicts.count(name))] for name in VERDICTS if name in verdicts],
        "own": own,
        "about": _about(plan),
    }


def _reason(says: str) -> str:
    """ "Not judged: the other row is only cited." -> "The other row is only cited." """
    reason = says.removeprefix(NOT_JUDGED)
    return reason[:1].upper() + reason[1:]


def _about(plan: Plan) -> str:
    """What all verdicts on scores are about; nothing where there are none."""
    said = f"Runs have {plan.conditions} beside what the scale's file says." if plan.conditions else ""
    if plan.at_paper_scale or not plan.scale.meaningful:
        return said
    return f"Verdicts on scores are {SMALL_DATA[:1].lower()}{SMALL_DATA[1:]}.{f' {said}' if said else ''}"


def audit_content() -> dict[str, Any]:
    """A line for each entry of the audit, and counts of the outcomes."""
    found = findings()
    counts = [[name, number] for number, name in tally(found)]
    return {"lines": [finding.document() for finding in found], "counts": counts}


def _check(plan: Plan, path: Path, entry: dict[str, Any]) -> None:
    known = {*plan.runs, ""}
    if (entry["kind"] != "parameters" and entry["scale"] != plan.config.scale) or not known.issuperset(
        (entry["run_ids"] or "").split(";")
    ):
        raise InputError(path, f"is not of scale {plan.config.scale} and its runs; make it again")
