"""SIGTERM always ends Snakemake."""

import _thread
from typing import Any


def end_when_terminated() -> None:
    """What a Snakefile calls as it is read.

    Snakemake's own handler waits for a lock that the interrupted main thread may hold itself, as it does while jobs
    are finished: then the two wait for each other, for good. In a thread of its own the handler waits for the other.
    """
    try:
        from snakemake.scheduling.job_scheduler import JobScheduler
    except ImportError:  # another version, with another place
        return
    handler = JobScheduler.exit_gracefully
    if handler.__module__ == __name__:
        return

    def exit_gracefully(scheduler: Any, *signal: Any) -> None:
        # Not `threading`: it takes locks as well.
        _thread.start_new_thread(handler, (scheduler, *signal))

    JobScheduler.exit_gracefully = exit_gracefully
