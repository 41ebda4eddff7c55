"""One training in several processes, one for each device, that live and die together."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from triplehead.errors import InputError

LOOPBACK = "127.0.0.1"
GRACE = 10.0  # seconds that a process has to end by itself once another is gone


def rank() -> int:
    """Which of the training's processes this is; 0 is the one that was started by the user, and writes files."""
    return int(os.environ.get("LOCAL_RANK", 0))


@contextmanager
def launched(count: int, command: Sequence[str]) -> Iterator[None]:
    """Run `command` in `count` - 1 more processes, ranks 1 and up, as long as the block lasts in this one, rank 0.

    Does nothing for one process, and where processes were started from outside (torchrun sets LOCAL_RANK). If the
    block fails, the others are ended; if another process fails, this one is ended, by an InputError with the other's
    last line where it can still raise one; if this one is killed outright, the kernel kills the others.
    """
    if count == 1 or "LOCAL_RANK" in os.environ:
        yield
        return
    settings = {"LOCAL_RANK": "0", "MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(_free_port())}
    if sys.platform == "linux":
        settings |= {name: os.environ.get(name, "lo") for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")}
    others = [_Other(command, number, settings) for number in range(1, count)]
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(others, ended), daemon=True)
    os.environ.update(settings)
    try:
        watch.start()
        yield
        for other in others:
            other.process.wait()
    except InputError:
        raise
    except Exception:
        # A broken connection is how this process learns that another one failed: the other's reason counts.
        _raise_the_reason(others, GRACE / 2)
        raise
    else:
        _raise_the_reason(others, 0)
    finally:
        ended.set()
        for other in others:
            other.end()
        for name in settings:
            os.environ.pop(name, None)


def meet(backend: str, count: int) -> None:
    """Connect the processes that `launched` started. torch's own rendezvous would listen on every interface."""
    import torch.distributed as distributed

    port, listener = int(os.environ["MASTER_PORT"]), None
    if rank() == 0:
        listener = socket.create_server((LOOPBACK, port), backlog=count).detach()
    store = distributed.TCPStore(
        LOOPBACK, port, count, is_master=rank() == 0, wait_for_workers=False, master_listen_fd=listener
    )
    distributed.init_process_group(backend, store=store, rank=rank(), world_size=count)


class _Other:
    """A process of another rank; what it writes on stderr is kept until it is known whether it failed."""

    def __init__(self, command: Sequence[str], number: int, settings: dict[str, str]):
        self.number = number
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in `end`
        self.process = subprocess.Popen(
            command,
            env=os.environ | settings | {"LOCAL_RANK": str(number)},
            stdin=subprocess.DEVNULL,
            stderr=self.stderr,
            preexec_fn=_die_with_parent,
        )

    @property
    def failed(self) -> bool:
        return self.process.poll() not in (None, 0)

    def reason(self) -> InputError:
        self.stderr.seek(0)
        text = self.stderr.read().decode(errors="replace").strip()
        last = text.splitlines()[-1] if text else "said nothing"
        if last.startswith("error: ") and ": " in last.removeprefix("error: "):
            return InputError(*last.removeprefix("error: ").split(": ", 1))
        print(text, file=sys.stderr, flush=True)
        status = self.process.returncode
        return InputError(f"process {self.number} of the training", f"ended with status {status}: {last[:160]}")

    def end(self) -> None:
        """At once: it has nothing to put away, and may be waiting for this process."""
        self.process.kill()
        self.process.wait()
        self.stderr.close()


def _watch(others: list[_Other], ended: threading.Event) -> None:
    """End this process where another one failed and it cannot notice: a collective on a GPU may wait for hours."""
    while not ended.wait(0.2):
        if any(other.failed for other in others):
            if ended.wait(GRACE):
                return
            for other in others:
                if other.failed:
                    print(f"error: {other.reason()}", file=sys.stderr, flush=True)
                else:
                    other.process.kill()
            os._exit(1)


def _raise_the_reason(others: list[_Other], patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        for other in others:
            if other.failed:
                raise other.reason() from None
        if time.monotonic() >= deadline or all(other.process.poll() == 0 for other in others):
            return
        time.sleep(0.05)


def _die_with_parent() -> None:
    """Linux's PR_SET_PDEATHSIG; elsewhere a killed rank 0 leaves the others to their broken connection."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
