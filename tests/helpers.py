"""What several tests need."""

import json
from pathlib import Path

from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.plan.speed import Seconds, Speed, SpeedRecord, SpeedRow


def changed(spec: RunSpec, **parts) -> RunSpec:
    """A spec with some of its values replaced, one level deep."""
    values = json.loads(spec.model_dump_json())
    for name, change in parts.items():
        values[name] = values[name] | change if isinstance(change, dict) else change
    return RunSpec.model_validate_json(json.dumps(values))


def only_own_tables(experiments: Path, keep: tuple[str, ...] = ()) -> None:
    """Remove the paper's tables and figures but for `keep`, and what refers to them."""
    for pattern in ("table*", "fig*", "claims", "audit", "silence"):
        for file in experiments.glob(f"{pattern}.yaml"):
            if file.stem not in keep:
                file.unlink()


def write_speed_record(plan: Plan, exhibit: str, results: Path, full: dict[str, list[float]] | None = None) -> Path:
    """A made-up measurement. full: seconds an image of each row and repeat; the model alone takes half of them."""
    full = full or {row.label: [0.1, 0.125, 0.1, 0.125, 0.1] for row in plan.exhibits[exhibit].rows}
    record = SpeedRecord(
        scale=plan.config.scale,
        device="A made-up processor",
        environment={"torch": "9.9"},
        protocol=Speed(images=4, repeats=5, warmup=3, threads=2),
        precision="float32",
        image_sizes=((96, 128), (128, 128)),
        rows=tuple(
            SpeedRow(
                label=label,
                run=plan.run_ids(exhibit, label)[0],
                model=tuple(Seconds(mean=value / 2, median=value / 2) for value in values),
                full=tuple(Seconds(mean=value, median=value) for value in values),
            )
            for label, values in full.items()
        ),
    )
    path = results / "speed" / f"{exhibit}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json())
    return path
