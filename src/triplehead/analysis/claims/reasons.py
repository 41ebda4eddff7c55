"""Why a claim cannot be measured: at a scale, whatever was run; by what was run; and what a row's name hides."""

from pathlib import Path

from triplehead.analysis.speed import of_another_scale
from triplehead.analysis.statistics.samples import sample
from triplehead.plan.claims import Best, Claim, Difference, Insensitive, Ordering, Place, places
from triplehead.plan.plan import Plan


def not_measurable(plan: Plan, claim: Claim) -> str | None:
    """A clause that says why; None if runs at this scale can judge the claim. Counts of parameters always can."""
    if claim.quantity.kind == "parameters":
        return None
    scale = plan.config.scale
    if not plan.scale.meaningful:
        return f"training at the {scale} scale is so short that its numbers mean nothing"
    if claim.scales is not None and scale not in claim.scales:
        return claim.why_not
    rows = places(claim.quantity)
    if cited := [place for place in rows if place not in plan.specs]:
        which = {1: "the other row is"}.get(len(cited), "some of its rows are")
        return f"{which if len(cited) < len(rows) else 'its rows are'} only cited by the paper, not run"
    runs: dict[tuple[str, ...], str] = {}
    for exhibit, label in rows:
        ids = tuple(plan.run_ids(exhibit, label))
        if ids in runs:
            return f"{runs[ids]} and {label} are the same runs at the {scale} scale, which does not tell them apart"
        runs[ids] = label
    return None


def not_there(plan: Plan, results: Path, claim: Claim) -> str | None:
    """A clause that says what is missing below `results`, or in it: runs, a measurement of speed, any detection."""
    quantity = claim.quantity
    if quantity.kind == "parameters":
        return None
    if quantity.kind == "ratio":
        exhibit = quantity.of[0]
        if not (results / "speed" / f"{exhibit}.json").exists():
            return "speed has not been measured"
        return of_another_scale(plan, exhibit, results)
    rows = places(quantity)
    file = {"share_above": "detections.json.gz", "trend": "history.csv"}.get(quantity.kind, "scores.json")
    made = {place: any((results / "runs" / run / file).exists() for run in plan.run_ids(*place)) for place in rows}
    if not any(made.values()):
        return "none of its runs has been made"
    if missing := [label for (_, label), there in made.items() if not there]:
        return f"no run of {'; '.join(missing)} has been made"
    if isinstance(quantity, Difference | Ordering | Best | Insensitive):
        found = [sample(plan, results / "runs", *place, quantity.metric).values.values() for place in rows]
        if all(values and not any(values) for values in found):
            return f"{quantity.metric} is 0 in all of its runs, which tells nothing"
    return None


# Options, at their defaults those of the rivals' originals, by which a rival alone is made smaller, and in words.
SIZES = {
    "num_blocks": "{} has {} of {} blocks here",
    "cls_width": "{}'s border branch has {} of the channels here, not {:g}",
    "hidden": "{}'s second stage has {} units here, not {:,}",
}


def stand_ins(plan: Plan, claim: Claim) -> list[str]:
    """Clauses on rows that another detector stands for at this scale, or a smaller one, and on a K that was scaled for
    other data."""
    if claim.quantity.kind == "parameters":
        return []
    rows = {(name, row.label): row for name, exhibit in plan.exhibits.items() for row in exhibit.rows}
    detectors = [(label, rows[exhibit, label].spec) for exhibit, label in places(claim.quantity)]
    others = [
        f"{label} is {plan.scale.detectors[spec.detector]} here"
        for label, spec in detectors
        if spec is not None and spec.detector in plan.scale.detectors
    ]
    foreign = [
        f"{label} has the COCO scenes' K, {k}"
        for place in places(claim.quantity)
        if place in plan.specs and (k := plan.specs[place][0].foreign_k) is not None
        for label in place[1:]
    ]
    return others + foreign + [clause for place in places(claim.quantity) for clause in _smaller(plan, place)]


def _smaller(plan: Plan, place: Place) -> list[str]:
    clauses = []
    for spec in plan.specs.get(place, ())[:1]:
        for part in (getattr(spec.detector, name, None) for name in ("head", "second_stage")):
            for name, words in SIZES.items():
                if part is not None and name in (fields := type(part).model_fields):
                    value, original = getattr(part, name), fields[name].default
                    if value < original:
                        clauses.append(words.format(place[1], value, original))
    return clauses
