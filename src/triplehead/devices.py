"""A GPU of its own for each job on this machine, chosen before torch looks for one."""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from triplehead.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL = 1.0  # seconds
_HELD = ExitStack()  # open files, whose locks end with the process


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them; what is set there holds.

    Unset, NVIDIA's driver is asked; of a GPU split by MIG the parts count. No torch: it would see them all.
    """
    if (listed := os.environ.get(VISIBLE)) is not None:
        # As CUDA reads it: what comes after a negative number is hidden.
        names = [name.strip() for name in listed.split(",") if name.strip()]
        hidden = next((index for index, name in enumerate(names) if name.startswith("-")), len(names))
        return names[:hidden]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    gpus: list[list[str]] = []
    for kind, uuid in re.findall(r"UUID: ((?:GPU|MIG)-)(\S+?)\)", listing.stdout if not listing.returncode else ""):
        if kind == "GPU-":
            gpus.append([kind + uuid])
        elif gpus:
            gpus[-1].append(kind + uuid)
    return [name for gpu in gpus for name in gpu[1:] or gpu]


def count_gpus() -> int:
    """GPUs that a run on this machine may use; where nvidia-smi is not installed, as the kernel lists them."""
    found = len(visible_gpus())
    if found or VISIBLE in os.environ:
        return found
    return sum(1 for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdecimal())


def own_gpus(count: int, folder: Path | None = None, shared_by: int = 1) -> list[str]:
    """Take `count` GPUs that no other job of ours holds until this process ends, and let CUDA see those alone.

    Waits while too few are free. One GPU may be `shared_by` several jobs; the emptiest is taken first. With count 0,
    and on a machine without any GPU, nothing is taken and nothing hidden. The kernel lets go when the process dies,
    however it dies. `folder`: of the locks; one for each user of the machine and, where a cluster numbers the GPUs of
    each job from 0, for each of its jobs. Raises InputError where there are fewer than `count`.
    """
    names = visible_gpus() if count else []
    if not names:
        return []
    if len(names) < count:
        raise InputError(VISIBLE, f"{count} GPUs are asked for, {len(names)} can be seen: {', '.join(names)}")
    folder = folder or _lock_folder()
    owned = _take(names, count, folder, shared_by)
    if not owned:
        print(f"waiting for {count} of {len(names)} GPUs that other jobs hold", file=sys.stderr, flush=True)
    while not owned:
        time.sleep(_POLL)
        owned = _take(names, count, folder, shared_by)
    os.environ[VISIBLE] = ",".join(owned)
    return owned


def _take(names: list[str], count: int, folder: Path, shared_by: int) -> list[str]:
    """Lock the first `count` free places; none if there are too few, so that no two jobs wait for each other."""
    with ExitStack() as mine:
        owned = []
        for place, name in product(range(shared_by), names):
            if _lock(folder / (re.sub(r"[^\w.-]", "_", name) + f".{place}" * (place > 0)), mine):
                owned.append(name)
            if len(owned) == count:
                _HELD.push(mine.pop_all())
                return owned
    return []


def _lock(path: Path, stack: ExitStack) -> bool:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.is_symlink() or path.parent.stat().st_uid != os.getuid():
            raise InputError(path.parent, "is another user's, who could send what is written there anywhere; remove it")
        file = open(path, "a", opener=_no_link)  # noqa: SIM115  the stack closes it
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    stack.enter_context(file)
    return True


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, mode=0o600)


def _lock_folder() -> Path:
    job = os.environ.get("SLURM_JOB_ID")
    name = f"triplehead-gpus-{os.getuid()}" + (f"-{job}" if job else "")
    return Path(tempfile.gettempdir()) / name
