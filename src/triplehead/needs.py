"""What a study needs of the machine and of the user's folders, at a price that Snakemake can pay on every call: no
torch, no annotation is read. Snakemake asks before anything runs, the jobs ask again."""

import os
from pathlib import Path

from triplehead.errors import InputError
from triplehead.plan.datasets import DatasetFile
from triplehead.plan.hints import command
from triplehead.plan.options import Folder, ResNet

ADDRESSES = {
    "torchvision": "https://download.pytorch.org/models/",
    "msra": "https://dl.fbaipublicfiles.com/detectron/ImageNetPretrained/MSRA/",
}


def weights_file(options: ResNet, root: Path | None, download: bool = False) -> Path:
    """Where the user's ImageNet weights lie. Raises InputError where they do not and may not be fetched."""
    if root is None:
        raise InputError("weights_root", f"is not set, expected the folder that holds {options.file}")
    path = root / options.file
    if not path.is_file() and not download:
        url = ADDRESSES[options.weights] + options.file
        raise InputError(path, f"no such file; get {url}, or set download_weights=true, or weights=none")
    return path


def check_devices(accelerator: str, devices: int, gpus: int, sees: str) -> None:
    """Raise InputError unless a run can have its devices where `sees` ("torch", "nvidia-smi") sees so many GPUs."""
    if accelerator == "gpu" and not gpus:
        raise InputError("accelerator", f"gpu is asked for, but {sees} sees none here; cpu or auto go without")
    if accelerator != "cpu" and devices > max(1, gpus):
        raise InputError("devices", f"found {devices}, but {sees} sees {gpus} GPUs here; accelerator=cpu needs none")


LONG = 10_000  # iterations; the embedded scales take hundreds, the published schedules 45,000 and more


def left_to_cpu(accelerator: str, gpus: int, iterations: int, sees: str) -> str:
    """The warning where `auto` leaves a long training to a CPU; empty elsewhere."""
    if accelerator != "auto" or gpus or iterations < LONG:
        return ""
    found = f"{sees} sees no GPU: {iterations:,} iterations on the CPU"
    return f"warning: accelerator auto: {found}; accelerator=cpu says that this is meant"


def check_folders(declared: DatasetFile, data: Folder, root: Path, complete: bool) -> None:
    """Raise InputError where a place of a data set is not there or, if it must be `complete`, holds fewer files than
    official. Files are counted, not read; what they hold is the business of the jobs."""
    hint = download_hint(declared, data.layout, root)
    for name in (*data.annotations, *data.images):
        if not (root / name).exists():
            raise InputError(root / name, f"no such file or folder; {hint}")
    needed = [archive for archive in declared.archives if not archive.optional]
    for place, fewest in ((place, count) for archive in needed for place, count in archive.gives.items()):
        path = root / declared.folder / place
        if complete and path.is_dir() and (count := sum(1 for _ in os.scandir(path))) < fewest:
            said = f"holds {count:,} files, expected {fewest:,} ({declared.title})"
            raise InputError(path, f"{said}; {hint}, data_complete=false takes it as it is")


def download_hint(declared: DatasetFile, name: str, root: Path | None) -> str:
    does = "says how to get it" if declared.by_hand else "gets it"
    said = command(f"triplehead data download {name}", [f"data_root={root or 'DIR'}"])
    return f"{said} {does}"
