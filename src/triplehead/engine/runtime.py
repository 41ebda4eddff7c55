"""Device, precision and determinism of a process."""

import ctypes
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CUDAAccelerator
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments import LightningEnvironment

from triplehead.data.dataset import DetectionDataset
from triplehead.data.prepare import open_split
from triplehead.data.render import Split
from triplehead.engine.launch import LOOPBACK, meet, rank
from triplehead.errors import InputError
from triplehead.needs import check_devices, left_to_cpu
from triplehead.plan.options import Precision
from triplehead.plan.runs import RunSpec
from triplehead.tracking.process import code_tags

# What else says that memory is full: torch has no class for it on a CPU, and CUDA's libraries have words of their own.
FULL = ("DefaultCPUAllocator", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
REPORTED = (
    "torch",
    "torchvision",
    "lightning-fabric",
    "faster-coco-eval",
    "numpy",
    "scikit-learn",
    "snakemake",
    "mlflow",
)


class AutocastOnly(MixedPrecision):
    """Mixed precision that leaves inputs as they are: a box at 100 pixels has no quarters of one in bfloat16."""

    def convert_input(self, data: Any) -> Any:
        return data


def start(spec: RunSpec, accelerator: str, precision: Precision = "32-true", devices: int = 1) -> Fabric:
    """This process's device; on the CPU the same bytes for the same spec on the same machine.

    Several devices have a process each (`launch.launched`). Raises InputError for devices that are not there.
    """
    gpus = 0 if accelerator == "cpu" else CUDAAccelerator.auto_device_count()
    use_gpu = gpus > 0
    check_devices(accelerator, devices, gpus, "torch")
    torch.set_num_threads(spec.threads)
    torch.use_deterministic_algorithms(not use_gpu)
    # A tenth of a step, for memory that nobody reads. mypy does not see a setting that torch adds at import.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if use_gpu:
        # TF32 for the products of deformable convolutions, as cuDNN has it for the others (docs/performance.md).
        torch.set_float32_matmul_precision("high")
    else:
        _keep_memory()
    kind = "cuda" if use_gpu else "cpu"
    # Named, because Fabric would take a job of Slurm's for one that has a task for each device.
    plugins: list[Any] = [LightningEnvironment()]
    if precision != "32-true":
        plugins.append(AutocastOnly(precision, kind))
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision="32-true" if precision == "32-true" else None,
        plugins=plugins,
    )
    if devices > 1 and os.environ.get("MASTER_ADDR") == LOOPBACK and "TORCHELASTIC_RUN_ID" not in os.environ:
        if use_gpu:
            torch.cuda.set_device(rank())
        meet("nccl" if use_gpu else "gloo", devices)
    fabric.launch()
    return fabric


def _keep_memory() -> None:
    """Have glibc keep what a step frees for the next one: to be given the same pages anew costs a tenth of a step."""
    largest_mapped, largest_kept = (-3, 32 << 20), (-1, 1 << 30)  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD; bytes
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for setting in (largest_mapped, largest_kept):
            library.mallopt(*setting)


def part(fabric: Fabric) -> None:
    """Let go of the other processes, all of which have come this far: what follows has no use for them."""
    if fabric.world_size > 1:
        fabric.barrier()
        torch.distributed.destroy_process_group()


def open_data(spec: RunSpec, folder: Path, split: Split, cache: bool = False) -> DetectionDataset:
    """The split of a run's data set. Raises InputError if it has another number of classes than the spec."""
    dataset = open_split(folder, split, cache)
    if (found := len(dataset.categories)) != spec.num_classes:
        raise InputError(dataset.annotations, f"has {found} categories, expected {spec.num_classes}")
    return dataset


class OutOfMemory(InputError):
    """More images at once than a device has memory for. `smaller`: how many to try next; none: it was one."""

    def __init__(self, setting: str, images: int, device: torch.device):
        self.smaller = next((n for n in range(images - 1, 0, -1) if images % n == 0), None)
        if self.smaller:
            advice = f"{setting}={self.smaller} is the next to fit"
        else:
            advice = "no smaller number is left: lower short_side"
        found = f"{images} images at once do" if images > 1 else "one image does"
        super().__init__(setting, f"{found} not fit into the memory of {device}; {advice}")


@contextmanager
def enough_memory(device: torch.device, setting: str, images: int) -> Iterator[None]:
    """Say which number of images to try next where that many are too many for a device: raise OutOfMemory."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in FULL):
            raise
        raise OutOfMemory(setting, images, device) from None


def seed_step(seed: int, step: int, part: int = 0) -> None:
    """What a model draws (torchvision samples proposals) depends on (seed, iteration, part of the batch) alone."""
    key = hashlib.sha256(f"{seed}/{step}/{part}".encode() if part else f"{seed}/{step}".encode()).digest()
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


def gpu(fabric: Fabric) -> dict[str, str]:
    """Name of the GPU that `fabric` computes on, how many there are, and CUDA's version; on a CPU nothing."""
    if fabric.device.type != "cuda":
        return {}
    several = f"{fabric.world_size} x " if fabric.world_size > 1 else ""
    return {"gpu": several + torch.cuda.get_device_name(fabric.device), "cuda": str(torch.version.cuda)}


def announce(spec: RunSpec, accelerator: str, fabric: Fabric) -> None:
    """Name the device in the log, and warn where `auto` leaves a long training to a CPU."""
    if not fabric.is_global_zero:
        return
    on_cpu = f"{_processor()}, {spec.threads} threads" + f", {fabric.world_size} processes" * (fabric.world_size > 1)
    print(f"trains on {gpu(fabric).get('gpu', on_cpu)}", file=sys.stderr, flush=True)
    if said := left_to_cpu(accelerator, fabric.device.type == "cuda", spec.schedule.iterations, "torch"):
        print(said, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
