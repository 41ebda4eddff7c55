"""Triton's kernels without a GPU; tests/engine/test_gpu.py runs them on one."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from triplehead import detectors
from triplehead.detectors import kernels

INTERPRETED = Path(__file__).with_name("interpreted_kernels.py")


def test_interpreted_they_are_torchs_operations():
    pytest.importorskip("triton", reason="Triton comes with torch's CUDA builds")
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(INTERPRETED)]
    environment = os.environ | {"TRITON_INTERPRET": "1"}  # which Triton reads as it is imported
    done = subprocess.run(call, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_a_gpu_without_a_compiler_does_without(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC environment variable.")

    stub = SimpleNamespace(expectation_maximisation=broken)
    monkeypatch.setitem(sys.modules, "triplehead.detectors.gpu_kernels", stub)
    monkeypatch.setattr(detectors, "gpu_kernels", stub, raising=False)
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *shape, device, **kind: ones(*shape, **kind))
    kernels._built.cache_clear()
    try:
        assert kernels._built() is None
        assert capsys.readouterr().err == (
            "warning: no Triton kernels (Please specify via CC environment variable.); steps take longer without\n"
        )
    finally:
        kernels._built.cache_clear()


def test_a_cpu_asks_for_none():
    assert kernels.gpu_kernels(torch.ones(1)) is None
