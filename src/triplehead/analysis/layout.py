"""How a table is laid out, whatever it is printed with: left columns, number pairs, caption, notes."""

from dataclasses import dataclass
from numbers import Integral

import pandas as pd

from triplehead.analysis.intervals import shown
from triplehead.plan.options import AnyScenes, Tiny
from triplehead.plan.plan import Plan
from triplehead.plan.schema import Exhibit, Row
from triplehead.plan.speed import REFERENCE

PUBLISHED_ON = {"coco": "COCO 2017", "voc": "PASCAL VOC", "visdrone": "VisDrone2019-DET"}
IN_FORCE = "K in force"
CITED = "Cited by the paper; not run here."
AVERAGES = {
    "11point": "Measured average precision: by eleven points, as detectron2 has it for VOC2007's test set.",
    "classmean": "Measured average precision: all classes weigh the same.",
}
NAMES = {"FPS_model": "FPS, model only", "FPS_ratio": f"FPS ratio to {REFERENCE}"}
DIGITS = {"FPS_ratio": 2}  # others: one

Left = bool | int | float | str


@dataclass(frozen=True)
class Cell:
    """One number twice: as the paper prints it, and as measured here. None where there is none."""

    published: float | int | None
    mean: float | int | None
    std: float | None
    n: int
    low: float | None = None
    high: float | None = None
    status: str = ""
    digits: int = 1
    best_published: bool = False
    best_measured: bool = False
    diverged: str = ""

    @property
    def measured(self) -> str:
        """The measured number as it is printed, or why there is none."""
        return "diverged" if self.diverged else number(self.mean, self.digits)

    @property
    def below(self) -> str:
        """What stands below the measured number: its 95% interval, and how it lies to the group's band."""
        interval = "" if self.low is None else f"[{number(self.low, self.digits)}, {number(self.high, self.digits)}]"
        return f"{interval} {self.status}".strip()


@dataclass(frozen=True)
class Line:
    label: str
    group: str | None
    left: tuple[Left, ...]
    cells: tuple[Cell, ...]
    note: str | None  # letter of its footnote

    @property
    def has_below(self) -> bool:
        return any(cell.below for cell in self.cells)

    @property
    def marked(self) -> int:
        """Index of the left cell that carries the footnote's letter: the last that is not empty."""
        return max((i for i, value in enumerate(self.left) if value not in ("", False)), default=0)


@dataclass(frozen=True)
class TableLayout:
    name: str  # table5
    title: str
    kind: str
    transposed: bool
    left: tuple[str, ...]  # headings of the left columns
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]
    caption: tuple[str, ...]  # sentences: what the two sides are
    definitions: tuple[str, ...]  # sentences: how to read the numbers, mostly the same for all tables
    notes: tuple[tuple[str, str], ...]  # (letter or nothing, text)
    own: bool = False  # a table of the user's, not the paper's

    @property
    def heading(self) -> str:
        """For example Table 5; of the user's own: Yours (mine)."""
        return f"Yours ({self.name})" if self.own else f"Table {self.name.removeprefix('table')}"

    @property
    def has_std(self) -> bool:
        return any(cell.std is not None for line in self.lines for cell in line.cells)


def table_layout(plan: Plan, exhibit: str, frame: pd.DataFrame, how: tuple[str, ...] = ()) -> TableLayout:
    """Lay out `frame` (from `table_frame` or `read_csv`) like the paper's table.

    how: sentences for the caption on how it was measured, which the frame does not tell (speed).
    """
    table = plan.exhibits[exhibit]
    left = _left_columns(plan, exhibit)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    marks = {row.label: next(letters) for row in table.rows if row.note}
    best = _best(table, frame, measured=plan.scale.meaningful)
    notes = [
        (marks[row.label], f"{row.note} {CITED}" if row.spec is None else row.note) for row in table.rows if row.note
    ]
    if cited := [row.label for row in table.rows if row.spec is None and not row.note]:
        letter = next(letters)
        marks |= dict.fromkeys(cited, letter)
        notes.append((letter, CITED))
    lines = []
    for index, row in enumerate(table.rows):
        cells = tuple(_cell(frame, index, metric, best) for metric in table.metrics)
        values = tuple(_left_value(plan, exhibit, row, column) for column in left)
        lines.append(Line(row.label, row.group, values, cells, marks.get(row.label)))
    texts = (
        *table.notes,
        *_stand_in_notes(plan, exhibit),
        *_split_notes(table, frame),
        *_diverged_notes(frame),
        *_twin_notes(plan, exhibit),
        *_equal_notes(frame),
    )
    notes += [("", text) for text in texts]
    if ratios := _published_ratios(table):
        notes.append(("", ratios))
    if IN_FORCE in left:
        share = next(iter(_shares(plan, exhibit)))
        notes.append(("", f"{IN_FORCE}: the paper's K times {share:g}, the same share of an object's points."))
    notes += [("", text) for text in _band_notes(frame)]
    return TableLayout(
        exhibit, table.title, table.kind, table.transposed, left, table.metrics, tuple(lines),
        caption(plan, exhibit, frame, how), definitions(plan, exhibit, frame), tuple(notes), exhibit in plan.own,
    )  # fmt: skip


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
            f"Measured: {plan.config.scale} scale, on {data_phrase(plan, exhibit)}.",
            *how,
            *(() if plan.scale.meaningful else (untrained,)),
            "Frames per second of different machines, images and detectors must not be compared in size.",
        )
    sentences = [
        first,
        f"Paper: as published, on {PUBLISHED_ON[table.protocol]}{' test-dev' if table.split == 'test-dev' else ''}.",
        f"Measured: {plan.config.scale} scale, on {data_phrase(plan, exhibit)}; {seeds_phrase(frame)}.",
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
    return [f"Diverged, the loss was no longer a number: {found}. No mean is taken of the other seeds."]


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


def _band_notes(frame: pd.DataFrame) -> list[str]:
    """What status words refer to."""
    held = frame[frame["status"] != ""]
    if held.empty:
        return []
    middles = []
    for row in held.itertuples():
        middle = number(row.reference, 0 if row.metric == "parameters" else 2)
        middles.append(f"{middle} ± {row.tolerance:,.10g} ({row.label}, {row.metric})")
    return [f"Within, outside, too few seeds, missing: the mean against its band, {'; '.join(middles)}."]


def data_phrase(plan: Plan, exhibit: str) -> str:
    """The data behind an exhibit's runs, in a few words."""
    spec = next(specs[0] for (name, _), specs in plan.specs.items() if name == exhibit)
    if isinstance(spec.data, AnyScenes):
        size = spec.data.image_size
        return f"embedded digit scenes of {size} × {size} pixels (not {PUBLISHED_ON[spec.dataset]})"
    if plan.at_paper_scale:
        return f"{PUBLISHED_ON[spec.dataset]} at the published schedule"
    if plan.config.scale == "paper":
        return (
            f"{PUBLISHED_ON[spec.dataset]}, or a sample of it, in a trial that is shorter than the published schedule"
        )
    return f"a few real photographs in the layout of {PUBLISHED_ON[spec.dataset]} (not the data set itself)"


def plain(value: Left) -> str:
    """A left-hand cell as text; ticks are up to the printer."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def metric_parts(metric: str) -> tuple[str, str]:
    """A metric's name and its index: AP75 -> (AP, 75), APS -> (AP, S), parameters -> (Parameters, '')."""
    if metric in NAMES:
        return NAMES[metric], ""
    if metric.startswith("AP") and len(metric) > 2:
        return "AP", metric[2:]
    return (metric.capitalize() if metric.islower() else metric), ""


def _published_ratios(table: Exhibit) -> str | None:
    """The ratios of the frames per second that the paper prints, in a sentence; it prints none itself."""
    published = {row.label: row.published["FPS"] for row in table.rows if "FPS" in row.published}
    if REFERENCE not in published:
        return None
    ratios = [f"{number(value / published[REFERENCE], 2)} ({label})" for label, value in published.items()]
    return f"The paper's own frames per second have these ratios to {REFERENCE}: {', '.join(ratios)}."


def _left_columns(plan: Plan, exhibit: str) -> tuple[str, ...]:
    columns = plan.exhibits[exhibit].columns
    if not columns:
        return ("Model",)
    if "K" in columns and _shares(plan, exhibit):
        place = columns.index("K") + 1
        return (*columns[:place], IN_FORCE, *columns[place:])
    return columns


def _shares(plan: Plan, exhibit: str) -> set[float]:
    """The factors on K, where it is not the paper's own."""
    assigners = [_jla(plan, exhibit, row) for row in plan.exhibits[exhibit].rows]
    return {assigner.k_share for assigner in assigners if assigner is not None and assigner.k_share != 1}


def _jla(plan: Plan, exhibit: str, row: Row):
    specs = plan.specs.get((exhibit, row.label))
    assigner = getattr(specs[0].detector, "assigner", None) if specs else None
    return assigner if assigner is not None and assigner.name == "jla" else None


def _left_value(plan: Plan, exhibit: str, row: Row, column: str) -> Left:
    if not plan.exhibits[exhibit].columns:
        return row.label
    if column == IN_FORCE:
        assigner = _jla(plan, exhibit, row)
        return "" if assigner is None else assigner.k_in_force
    return row.ticks.get(column, "")


def _cell(frame: pd.DataFrame, index: int, metric: str, best: dict[tuple[str, str], str]) -> Cell:
    record = frame[(frame["row"] == index) & (frame["metric"] == metric)].iloc[0]
    names = ("published", "mean", "std", "low", "high")
    published, mean, std, low, high = (None if pd.isna(record[name]) else record[name] for name in names)
    low, high = shown(low, high, metric) or (None, None)
    return Cell(
        published, mean, std, int(record["n"]), low, high, record["status"], DIGITS.get(metric, 1),
        best_published=published is not None and number(published) == best.get((metric, "published")),
        best_measured=mean is not None and number(mean) == best.get((metric, "mean")),
        diverged=record["diverged"],
    )  # fmt: skip


def _best(table: Exhibit, frame: pd.DataFrame, measured: bool) -> dict[tuple[str, str], str]:
    """The highest value of each column, as printed: ties in print are ties."""
    if table.kind != "scores":
        return {}
    best = {}
    for metric in table.metrics:
        for side in ("published", "mean") if measured else ("published",):
            values = frame.loc[frame["metric"] == metric, side].dropna()
            if len(values) > 1:
                best[metric, side] = number(values.max())
    return best


def number(value: float | int | None, digits: int = 1) -> str:
    """As the paper prints: one decimal, or a whole count in groups of three. Nothing for None."""
    if value is None:
        return ""
    if isinstance(value, Integral):
        return f"{int(value):,}"
    return f"{float(value):z.{digits}f}"  # z: no -0.0
