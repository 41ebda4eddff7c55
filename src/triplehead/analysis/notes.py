"""The notes below a table: what its rows' names hide, and what its numbers do not say."""

import pandas as pd

from triplehead.analysis.printing import number
from triplehead.plan.options import Tiny
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Exhibit
from triplehead.plan.speed import REFERENCE

SCATTER = 0.2  # of the mean: a larger standard deviation over repeats says that something else was at work


def row_notes(plan: Plan, exhibit: str, frame: pd.DataFrame) -> list[str]:
    """What some rows are at this scale, and which of them cannot be told apart."""
    table = plan.exhibits[exhibit]
    return [
        *table.notes,
        *_stand_in_notes(plan, exhibit),
        *_split_notes(table, frame),
        *_diverged_notes(frame),
        *_twin_notes(plan, exhibit),
        *_equal_notes(frame),
        *_busy_notes(table, frame),
    ]


def published_ratios(table: Exhibit) -> str | None:
    """The ratios of the frames per second that the paper prints, in a sentence; it prints none itself."""
    published = {row.label: row.published["FPS"] for row in table.rows if "FPS" in row.published}
    if REFERENCE not in published:
        return None
    ratios = [f"{number(value / published[REFERENCE], 2)} ({label})" for label, value in published.items()]
    return f"The paper's own frames per second have these ratios to {REFERENCE}: {', '.join(ratios)}."


def band_notes(frame: pd.DataFrame) -> list[str]:
    """What status words refer to."""
    held = frame[frame["status"] != ""]
    if held.empty:
        return []
    middles = []
    for row in held.itertuples():
        middle = number(row.reference, 0 if row.metric == "parameters" else 2)
        middles.append(f"{middle} ± {row.tolerance:,.10g} ({row.label}, {row.metric})")
    return [
        "Below a measured number stands whether it lies within the range in which it is expected, or why that cannot "
        f"be said; expected: {'; '.join(middles)}."
    ]


def _stand_in_notes(plan: Plan, exhibit: str) -> list[str]:
    """What the rows' names hide: detectors that are smaller, or others, at this scale."""
    if plan.config.scale == "paper" or plan.exhibits[exhibit].kind == "parameters":
        return []
    rows = [row for row in plan.exhibits[exhibit].rows if (exhibit, row.label) in plan.specs]
    notes = [
        f"{row.label} is {plan.scale.detectors[row.spec.detector]} at the {plan.config.scale} scale."
        for row in rows
        if row.spec is not None and row.spec.detector in plan.scale.detectors
    ]
    foreign = {row.label: plan.specs[exhibit, row.label][0].foreign_k for row in rows}
    notes += [
        f"{label}: K = {k} was scaled to the objects of the COCO scenes; these hold another number of points "
        "(docs/fidelity.md)."
        for label, k in foreign.items()
        if k is not None
    ]
    if not any(isinstance(plan.specs[exhibit, row.label][0].detector.backbone, Tiny) for row in rows):
        return notes
    which = "All detectors, rivals included,"
    if len(rows) < len(plan.exhibits[exhibit].rows):
        which = f"The detectors that are run ({'; '.join(row.label for row in rows)})"
    return [*notes, f"{which} are reduced to this scale; the report lists every setting that differs."]


def _split_notes(table: Exhibit, frame: pd.DataFrame) -> list[str]:
    """Which rows' measured scores are of which images, where the paper's are test-dev's."""
    if table.split != "test-dev":
        return []
    notes = []
    for split, name in (
        ("test-dev", "on test-dev, by COCO's server"),
        ("val", "on the validation images, not on test-dev"),
    ):
        if labels := list(dict.fromkeys(frame.loc[(frame["split"] == split) & (frame["n"] > 0), "label"])):
            notes.append(f"Measured {name}: {'; '.join(labels)}.")
    return notes


def _diverged_notes(frame: pd.DataFrame) -> list[str]:
    rows = frame[frame["diverged"] != ""].drop_duplicates("row")
    if rows.empty:
        return []
    found = "; ".join(f"{row.label}: {row.diverged}" for row in rows.itertuples())
    return [f"Diverged, the loss or the weights ran away: {found}. No mean is taken of the other seeds."]


def _twin_notes(plan: Plan, exhibit: str) -> list[str]:
    """Rows that come down to the same runs, because what tells them apart is missing at this scale."""
    rows: dict[str, list[str]] = {}
    for row in plan.exhibits[exhibit].rows:
        if row.spec is not None and (ids := plan.run_ids(exhibit, row.label)):
            rows.setdefault(";".join(ids), []).append(row.label)
    return [
        f"{'; '.join(labels)}: the same runs, since the {plan.config.scale} scale does not tell them apart."
        for labels in rows.values()
        if len(labels) > 1
    ]


def _busy_notes(table: Exhibit, frame: pd.DataFrame) -> list[str]:
    """Rows of a table of speed whose repeats differ by more than a machine at rest makes them."""
    scatter = frame["std"] / frame["mean"]
    rows = frame[(frame["metric"] != "FPS_ratio") & (scatter > SCATTER)] if table.kind == "speed" else frame[:0]
    if rows.empty:
        return []
    labels = "; ".join(dict.fromkeys(map(str, rows["label"])))
    return [
        f"The machine was busy: repeats of the same model scatter by up to {100 * scatter[rows.index].max():.0f} % of "
        f"their mean ({labels}). These figures are not to be used; measure again on a machine at rest."
    ]


def _equal_notes(frame: pd.DataFrame) -> list[str]:
    """Rows of different runs whose scores are the same to the last digit: what tells them apart changed nothing."""
    columns = ["metric", "mean", "std", "low", "high"]
    rows: dict[str, list[str]] = {}
    runs: dict[str, set[str]] = {}
    for label, cells in frame[frame["n"] > 0].groupby("label", sort=False):
        if not cells["mean"].any():
            continue  # nothing detected
        key = cells[columns].to_csv(index=False)
        rows.setdefault(key, []).append(str(label))
        runs.setdefault(key, set()).update(cells["run_ids"])
    return [
        f"{'; '.join(labels)}: different runs, equal scores; what tells them apart changed nothing here."
        for key, labels in rows.items()
        if len(labels) > 1 and len(runs[key]) > 1
    ]
