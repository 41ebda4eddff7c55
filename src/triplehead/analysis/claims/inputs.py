"""The files that the ledger reads, for Snakemake: no heavy imports."""

from triplehead.analysis.claims.reasons import not_measurable
from triplehead.paths import REPLICATES
from triplehead.plan.claims import places
from triplehead.plan.plan import Plan

SCORES = ("scores.json", REPLICATES)
OF_EACH_RUN = {"share_above": ("detections.json.gz",), "trend": ("history.csv", "assignments.json.gz")}


def inputs(plan: Plan) -> list[str]:
    """Below results/, without repetition; nothing for claims that the scale cannot judge."""
    files: dict[str, None] = {}
    for claim in plan.claims.claims:
        kind = claim.quantity.kind
        if kind == "parameters" or not_measurable(plan, claim) is not None:
            continue
        if kind == "ratio":
            files |= dict.fromkeys(f"speed/{exhibit}.json" for exhibit, _ in places(claim.quantity))
            continue
        runs = [run for place in places(claim.quantity) for run in plan.run_ids(*place)]
        files |= dict.fromkeys(f"runs/{run}/{name}" for run in runs for name in OF_EACH_RUN.get(kind, SCORES))
        if kind == "share_above":
            files |= dict.fromkeys(f"data/{plan.run(run).data_id}/manifest.json" for run in runs)
    return list(files)
