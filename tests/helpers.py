"""What several tests need."""

import json
import os
import pickle
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from triplehead.data.archive import REPLICATE_ARRAYS, write_archive
from triplehead.plan.plan import Plan, load_plan
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
        asked=plan.scale.speed,
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


BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def msra_blobs(depth: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays under Detectron's names and in its shapes, with values under which activations keep their size."""
    rng, blobs = np.random.default_rng(seed), {}

    def convolution(name: str, norm: str, out: int, channels: int, side: int, scale: float = 1.0) -> None:
        deviation = (2 / (channels * side * side)) ** 0.5
        blobs[f"{name}_w"] = rng.normal(0, deviation, (out, channels, side, side)).astype(np.float32)
        blobs[f"{norm}_s"] = np.full(out, scale, np.float32) * rng.uniform(0.9, 1.1, out).astype(np.float32)
        blobs[f"{norm}_b"] = rng.normal(0, 0.01, out).astype(np.float32)

    convolution("conv1", "res_conv1_bn", 64, 3, 7, 0.01)  # pixels of deviation 60
    blobs["conv1_b"] = np.zeros(64, np.float32)
    channels = 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        width = 64 * 2**stage
        for block in range(blocks):
            name = f"res{stage + 2}_{block}_branch"
            if block == 0:
                convolution(f"{name}1", f"{name}1_bn", 4 * width, channels, 1, 0.7)
            convolution(f"{name}2a", f"{name}2a_bn", width, channels, 1)
            convolution(f"{name}2b", f"{name}2b_bn", width, width, 3)
            convolution(f"{name}2c", f"{name}2c_bn", 4 * width, width, 1, 0.2)
            channels = 4 * width
    blobs["fc1000_w"] = np.zeros((1000, 2048), np.float32)
    blobs["fc1000_b"] = np.zeros(1000, np.float32)
    return blobs


def write_msra(folder: Path, depth: int = 50) -> Path:
    """R-50.pkl or R-101.pkl as Detectron's model zoo has it, with made-up values."""
    path = folder / f"R-{depth}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(msra_blobs(depth), protocol=2))
    return path


def put_resamples(project: Path, scale: str, files: Iterable[Path] | None = None, **drawn: int) -> None:
    """Into some replicates.npz, whole files of that draw instead of what touched them; their dates stay. Into all of a
    project's: as training leaves them, no younger than scores.json (a touch of both may be a tick apart)."""
    resampling = load_plan({"scale": scale}).scale.resampling.model_copy(update=drawn)
    for file in files or (project / "results" / "runs").glob("*/replicates.npz"):
        date = (file if files else file.with_name("scores.json")).stat()
        arrays = {"drawn": np.array([resampling.replicates, resampling.seed])}
        write_archive(file, dict.fromkeys(REPLICATE_ARRAYS, np.zeros(0)) | arrays)
        os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))
