"""A record of measured speed as a table's numbers, and how they came about in sentences."""

from pathlib import Path

from triplehead.errors import InputError
from triplehead.plan.plan import Plan
from triplehead.plan.speed import REFERENCE, SpeedRecord, read_speed


def speed_record(plan: Plan, exhibit: str, results: Path) -> SpeedRecord:
    """`results`/speed/<exhibit>.json. Raises InputError unless it measured this plan's runs."""
    path = results / "speed" / f"{exhibit}.json"
    record = read_speed(path)
    expected = [(label, specs[0].id) for (name, label), specs in plan.specs.items() if name == exhibit]
    if [(row.label, row.run) for row in record.rows] != expected:
        asked = f"holds other rows or runs than scale {plan.config.scale} asks for"
        raise InputError(path, f"{asked}; make it again, or ask for its own: -c scale={record.scale}")
    return record


def is_measured(plan: Plan, exhibit: str, results: Path) -> bool:
    """Whether the record is of this plan's runs, by its protocol, and of weights that are not younger."""
    path = results / "speed" / f"{exhibit}.json"
    try:
        record = speed_record(plan, exhibit, results)
    except InputError:
        return False
    weights = [results / "runs" / row.run / "model.pt" for row in record.rows]
    made = path.stat().st_mtime_ns
    return record.asked == plan.scale.speed and all(
        file.is_file() and file.stat().st_mtime_ns <= made for file in weights
    )


def of_another_scale(plan: Plan, exhibit: str, results: Path) -> str | None:
    """A clause where `results`/speed/<exhibit>.json was measured at another scale than the plan's."""
    scale = read_speed(results / "speed" / f"{exhibit}.json").scale
    return None if scale == plan.config.scale else f"speed was measured at the {scale} scale"


def speed_series(record: SpeedRecord) -> dict[str, dict[str, list[float]]]:
    """label -> metric -> one value a repeat. Frames per second are images over seconds; ratios pair repeats."""
    series = {
        row.label: {
            "FPS": [1 / seconds.mean for seconds in row.full],
            "FPS_model": [1 / seconds.mean for seconds in row.model],
        }
        for row in record.rows
    }
    reference = series[REFERENCE]["FPS"]
    for values in series.values():
        values["FPS_ratio"] = [own / other for own, other in zip(values["FPS"], reference, strict=True)]
    return series


def caption_sentences(plan: Plan, exhibit: str, results: Path) -> tuple[str, ...]:
    """What a table's caption says beyond its numbers; nothing for tables that are not of kind speed."""
    return how_measured(speed_record(plan, exhibit, results)) if plan.exhibits[exhibit].kind == "speed" else ()


def conditions(record: SpeedRecord) -> str:
    """Machine and protocol as a cell of a table."""
    return "; ".join(
        (record.device, f"{record.protocol.threads} threads", record.precision, "batch 1", sizes_phrase(record))
    )


def how_measured(record: SpeedRecord) -> tuple[str, ...]:
    """Sentences for a caption: machine, protocol, and what the metrics are."""
    protocol = record.protocol
    threads = "one thread" if protocol.threads == 1 else f"{protocol.threads} threads"
    return (
        f"{record.device}, {threads}, {record.precision}, torch {record.environment['torch']}; batch 1, "
        f"{protocol.images} validation images of {sizes_phrase(record)} in memory; the models take turns, "
        f"each pass after {protocol.warmup} uncounted images.",
        f"Mean ± sample standard deviation over {protocol.repeats} repeats; in brackets the mean's 95% interval over "
        "other repeats of these models on this machine.",
        "FPS: the whole detector, NMS included. Model only: up to the class logits and boxes of all points (of Faster "
        "R-CNN up to its second stage's raw outputs, the proposals' NMS included). "
        f"Ratio: FPS over that of {REFERENCE} in the same repeat.",
    )


def sizes_phrase(record: SpeedRecord) -> str:
    """For example "128 × 128 pixels"; the range of areas where sizes differ."""
    by_area = sorted(record.image_sizes, key=lambda size: size[0] * size[1])
    ends = [f"{height} × {width}" for height, width in dict.fromkeys([by_area[0], by_area[-1]])]
    return f"{' to '.join(ends)} pixels"
