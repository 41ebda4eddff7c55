"""Device, precision and determinism of a process."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CUDAAccelerator
from lightning_fabric.plugins.environments import LightningEnvironment

from triplehead.data.dataset import DetectionDataset
from triplehead.data.prepare import open_split
from triplehead.errors import InputError
from triplehead.plan.runs import RunSpec
from triplehead.tracking.process import code_tags

REPORTED = ("torch", "torchvision", "lightning-fabric", "pycocotools", "numpy", "scikit-learn", "snakemake", "mlflow")


def start(spec: RunSpec, accelerator: str, precision: str = "32-true") -> Fabric:
    """One device; on the CPU the same bytes for the same spec on the same machine."""
    use_gpu = accelerator != "cpu" and CUDAAccelerator.is_available()
    torch.set_num_threads(spec.threads)
    torch.use_deterministic_algorithms(not use_gpu)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a tenth of a step, for memory that nobody reads
    # Named, because Fabric would look for Slurm, and warn of an srun that is not used.
    here = LightningEnvironment()
    fabric = Fabric(accelerator="cuda" if use_gpu else "cpu", devices=1, precision=precision, plugins=here)
    fabric.launch()
    return fabric


def open_data(spec: RunSpec, folder: Path, split: str, cache: bool = False) -> DetectionDataset:
    """The split of a run's data set. Raises InputError if it has another number of classes than the spec."""
    dataset = open_split(folder, split, cache)
    if (found := len(dataset.categories)) != spec.num_classes:
        raise InputError(dataset.annotations, f"has {found} categories, expected {spec.num_classes}")
    return dataset


def seed_step(seed: int, step: int) -> None:
    """What a model draws at an iteration (torchvision samples proposals) depends on (seed, iteration) alone."""
    key = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    torch.manual_seed(int.from_bytes(key[:8], "big") >> 1)


def environment() -> dict[str, str]:
    """What ran, without anything that changes from run to run on one machine."""
    versions = {name: version(name) for name in REPORTED}
    return {
        "triplehead": code_tags()["code"],
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "system": platform.system(),
    } | versions


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
