"""What a table's caption says: what either side is, on which data, and how to read the numbers."""

import pandas as pd

from triplehead.plan.options import AnyScenes
from triplehead.plan.plan import Plan

PUBLISHED_ON = {"coco": "COCO 2017", "voc": "PASCAL VOC", "visdrone": "VisDrone2019-DET"}
AVERAGES = {
    "11point": "Measured average precision: by eleven points, as detectron2 has it for VOC2007's test set.",
    "classmean": "Measured average precision: all classes weigh the same.",
}


def caption(plan: Plan, exhibit: str, frame: pd.DataFrame, how: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Sentences that say what either side is: section, data, scale, seeds."""
    table = plan.exhibits[exhibit]
    own = exhibit in plan.own
    place = "your own experiment, not the paper's" if own else f"section {table.section} of the paper"
    first = f"{table.title} ({place})."
    if table.kind == "parameters":
        counted = "Measured: counted exactly on the paper's own architecture, whatever the scale of this report."
        return (first, "Paper: as published.", counted)
    if not frame["n"].any():
        return (first, "Paper: as published.", "Measured: nothing yet; empty cells were not measured.")
    if table.kind == "speed":
        untrained = "The detectors are hardly trained: what NMS costs here means nothing."
        return (
            first,
            f"Paper: as published, on {PUBLISHED_ON[table.protocol]}.",
            f"Measured: {plan.measured_at}, on {data_phrase(plan, exhibit)}.",
            *how,
            *(() if plan.scale.meaningful else (untrained,)),
            "Frames per second of different machines, images and detectors must not be compared in size.",
        )
    sentences = [
        first,
        f"Paper: as published, on {PUBLISHED_ON[table.protocol]}{' test-dev' if table.split == 'test-dev' else ''}.",
        f"Measured: {plan.measured_at}, on {data_phrase(plan, exhibit)}; {seeds_phrase(frame)}.",
    ]
    if table.average is not None:
        sentences.append(AVERAGES[table.average])
    return tuple(sentences)


def definitions(plan: Plan, exhibit: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Sentences on how the numbers of a table of scores are to be read."""
    if plan.exhibits[exhibit].kind != "scores" or not frame["n"].any():
        return ()
    sentences = ["All scores in %.", *interval_sentences(frame)]
    if not plan.scale.meaningful:
        sentences.append("At this scale the measured scores mean nothing: they show only that everything runs.")
        sentences.append("Bold: the paper's highest value of a column.")
    else:
        if not plan.at_paper_scale:
            sentences.append("The two sides come from different data and must not be compared in size.")
        sentences.append("Bold: the highest value of a column on either side.")
    return tuple(sentences)


def seeds_phrase(frame: pd.DataFrame) -> str:
    """For example: mean ± sample standard deviation over 3 seeds."""
    counts = sorted(set(frame.loc[frame["n"] > 0, "n"]))
    if counts == [1]:
        return "one seed, hence no standard deviation"
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean ± sample standard deviation over {number} seeds"


def interval_sentences(frame: pd.DataFrame) -> list[str]:
    """What the brackets below the measured numbers are, and why some numbers have none."""
    several = "over other seeds" if frame["seed_se"].notna().any() else None
    images = "other validation images" if frame["image_se"].notna().any() else None
    measured = frame[frame["n"] > 0]
    if several and images:
        sentences = [f"In brackets: the mean's 95% interval {several} and {images}."]
    elif several:
        sentences = [f"In brackets: the mean's 95% interval {several}, the validation images being given."]
    elif images:
        sentences = [f"In brackets: this one model's 95% interval over {images}; other seeds are not in it."]
    else:
        return ["One seed on given images: no interval."] if len(measured) else []
    if several and (single := list(dict.fromkeys(measured.loc[measured["n"] == 1, "label"]))):
        over = f"it is that one model's, over {images}" if images else "there is none"
        sentences.append(f"Of rows with one seed ({'; '.join(map(str, single))}) {over}.")
    if (measured["low"] == measured["high"]).any():
        sentences.append("No interval where the score is the same each time, which says nothing of noise.")
    if ((measured["low"] < 0) | (measured["high"] > 100)).any():
        sentences.append("Intervals are cut at 0 and 100.")
    return sentences


def data_phrase(plan: Plan, exhibit: str) -> str:
    """The data behind an exhibit's runs, in a few words."""
    spec = next(specs[0] for (name, _), specs in plan.specs.items() if name == exhibit)
    if isinstance(spec.data, AnyScenes):
        size = spec.data.image_size
        return f"embedded digit scenes of {size} × {size} pixels (not {PUBLISHED_ON[spec.dataset]})"
    if plan.at_paper_scale:
        return f"{PUBLISHED_ON[spec.dataset]} at the published schedule"
    if plan.config.scale == "paper":
        return f"{PUBLISHED_ON[spec.dataset]}, or a sample of it, in a trial that is not the published training"
    return f"a few real photographs in the layout of {PUBLISHED_ON[spec.dataset]} (not the data set itself)"
