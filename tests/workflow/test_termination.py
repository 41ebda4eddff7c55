"""A Snakemake that is told to end while it finishes a job."""

import subprocess
import sys

SCHEDULER = """
import os, signal, threading
from snakemake.scheduling.job_scheduler import JobScheduler
from triplehead.termination import end_when_terminated
end_when_terminated()
end_when_terminated()
scheduler = JobScheduler.__new__(JobScheduler)
scheduler._lock, scheduler._open_jobs, scheduler._user_kill = threading.Lock(), threading.Semaphore(0), None
signal.signal(signal.SIGTERM, scheduler.exit_gracefully)
with scheduler._lock:
    os.kill(os.getpid(), signal.SIGTERM)
    print("went on", scheduler._user_kill)
scheduler._open_jobs.acquire()
print(scheduler._user_kill)
"""


def test_sigterm_does_not_wait_for_what_it_interrupts():
    done = subprocess.run([sys.executable, "-c", SCHEDULER], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["went on None", "graceful"], done.stderr
