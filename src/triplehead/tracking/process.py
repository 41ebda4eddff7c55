"""Who is logging: host, process and version of the code."""

import os
import socket
import subprocess
from pathlib import Path

from triplehead import __version__

HOST, PID, STARTED = "triplehead.host", "triplehead.pid", "triplehead.pid_started"


def process_tags() -> dict[str, str]:
    return {HOST: socket.gethostname(), PID: str(os.getpid()), STARTED: _started(os.getpid()) or "unknown"}


def is_dead(tags: dict[str, str]) -> bool:
    """Whether these tags name a process that ran on this host and is gone, its number perhaps reused."""
    if tags.get(HOST) != socket.gethostname() or not tags.get(PID, "").isdecimal():
        return False
    pid = int(tags[PID])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # somebody else's process has the number
    started = _started(pid)
    return started is not None and tags.get(STARTED, "unknown") not in ("unknown", started)


def _started(pid: int) -> str | None:
    """Clock ticks from boot to the start of a process, where the system tells; "zombie" once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "zombie" if fields[0] == "Z" else fields[19]


def code_tags() -> dict[str, str]:
    """Package version, and the commit if the package lies in a checkout of its own."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "../__init__.py")  # not merely a venv inside some other repository
        commit = git("rev-parse", "HEAD")
        changed = bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return {"code": __version__}
    return {
        "code": f"{__version__} {commit[:12]}{' + changes' * changed}",
        "mlflow.source.git.commit": commit,
    }
