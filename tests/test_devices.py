"""Each job gets a GPU of its own: real processes and locks, made-up GPUs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from triplehead.devices import VISIBLE, own_gpus, visible_gpus
from triplehead.errors import InputError

JOB = """
import os, sys
from pathlib import Path
from triplehead.devices import own_gpus
owned = own_gpus(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
assert "torch" not in sys.modules
print(os.environ.get("CUDA_VISIBLE_DEVICES", "unset"), flush=True)
sys.stdin.read()
"""


@contextmanager
def job(count: int, *folder: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """A process that takes GPUs, prints what CUDA would see, and keeps them until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, str(count), *map(str, folder)], env=os.environ | environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_jobs_at_once_see_different_gpus_and_only_those_that_were_visible(tmp_path):
    with job(1, tmp_path, **{VISIBLE: "3,GPU-5"}) as first, job(1, tmp_path, **{VISIBLE: "3,GPU-5"}) as second:
        assert {first.stdout.readline(), second.stdout.readline()} == {"3\n", "GPU-5\n"}


def test_a_third_job_waits_and_takes_the_gpu_of_one_that_is_killed(tmp_path):
    visible = {VISIBLE: "0,1"}
    with job(1, tmp_path, **visible) as first, job(1, tmp_path, **visible) as second:
        seen = [first.stdout.readline(), second.stdout.readline()]
        with job(1, tmp_path, **visible) as third:
            assert third.stderr.readline() == "waiting for 1 of 2 GPUs that other jobs hold\n"
            first.kill()
            assert third.stdout.readline() == seen[0]


def test_jobs_that_share_spread_over_the_gpus_and_the_fifth_waits(tmp_path, monkeypatch):
    """Two places on each of two GPUs; in threads of one process locks of different open files exclude each other too."""
    seen = []
    for _ in range(4):
        monkeypatch.setenv(VISIBLE, "0,1")
        seen += own_gpus(1, tmp_path, shared_by=2)
    assert seen == ["0", "1", "0", "1"]
    with job(1, tmp_path, **{VISIBLE: "0,1"}) as alone:
        assert "waiting for 1 of 2" in alone.stderr.readline()


def test_a_job_that_cannot_have_all_it_needs_holds_none_meanwhile(tmp_path):
    visible = {VISIBLE: "0,1,2"}
    with job(1, tmp_path, **visible) as first:
        assert first.stdout.readline() == "0\n"
        with job(3, tmp_path, **visible) as greedy:
            assert "waiting for 3 of 3" in greedy.stderr.readline()
            with job(2, tmp_path, **visible) as other:
                assert other.stdout.readline() == "1,2\n"


def test_a_clusters_jobs_number_their_gpus_from_0_and_do_not_meet(tmp_path):
    place = {VISIBLE: "0", "TMPDIR": str(tmp_path)}
    with job(1, SLURM_JOB_ID="7", **place) as first, job(1, SLURM_JOB_ID="8", **place) as second:
        assert first.stdout.readline() == second.stdout.readline() == "0\n"
        with job(1, SLURM_JOB_ID="8", **place) as step:
            assert "waiting" in step.stderr.readline()


def test_without_a_gpu_and_without_need_of_one_nothing_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE, "2")
    assert own_gpus(0, tmp_path) == [] and os.environ[VISIBLE] == "2"
    monkeypatch.setenv(VISIBLE, "")
    assert own_gpus(1, tmp_path) == [] and os.environ[VISIBLE] == ""
    assert not list(tmp_path.iterdir())


def test_more_than_there_are_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE, "4,5")
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES: 3 GPUs are asked for, 2 can be seen: 4, 5"):
        own_gpus(3, tmp_path)


@pytest.mark.parametrize(
    ("listed", "names"), [("0, 1", ["0", "1"]), ("", []), ("2,-1,3", ["2"]), ("-1", []), ("MIG-a", ["MIG-a"])]
)
def test_what_is_set_is_read_as_cuda_reads_it(listed, names, monkeypatch):
    monkeypatch.setenv(VISIBLE, listed)
    assert visible_gpus() == names


def driver(folder: Path, monkeypatch, script: str) -> None:
    """A stand-in for NVIDIA's tool, first on PATH."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(VISIBLE, raising=False)


def test_otherwise_the_driver_is_asked(tmp_path, monkeypatch):
    lines = (
        "GPU 0: A (UUID: GPU-aa-1)",
        "  MIG 1g.5gb Device 0: (UUID: MIG-p)",
        "  MIG 1g.5gb Device 1: (UUID: MIG-q)",
        "GPU 1: A (UUID: GPU-bb-2)",
    )
    driver(tmp_path, monkeypatch, "cat <<'END'\n" + "\n".join(lines) + "\nEND")
    assert visible_gpus() == ["MIG-p", "MIG-q", "GPU-bb-2"]


def test_a_driver_that_fails_shows_no_gpu(tmp_path, monkeypatch):
    driver(tmp_path, monkeypatch, "echo 'GPU 0: A (UUID: GPU-aa)'; exit 9")
    assert visible_gpus() == []


def test_locks_that_another_user_laid_out_are_refused(tmp_path, monkeypatch):
    """A folder or a file that is a link would have what is written there go elsewhere."""
    monkeypatch.setenv(VISIBLE, "0")
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="another user's"):
        own_gpus(1, tmp_path / "link")
    (tmp_path / "victim").write_text("kept")
    (tmp_path / "mine" / "0").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match="cannot be written"):
        own_gpus(1, tmp_path / "mine")
    assert (tmp_path / "victim").read_text() == "kept"
