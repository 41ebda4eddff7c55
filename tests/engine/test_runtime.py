"""A process's device."""

import warnings

from tests.helpers import changed

from triplehead.engine import runtime


def test_an_srun_on_the_path_is_no_matter(small_spec, tmp_path, monkeypatch):
    """Lightning's warning of it would stand above a real error in a run's log."""
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for precision in ("32-true", "bf16-mixed"):
            assert runtime.start(small_spec, "cpu", precision).device.type == "cpu"


def test_a_log_names_the_device_and_warns_of_a_long_training_that_auto_leaves_to_the_cpu(
    small_spec, monkeypatch, capsys
):
    monkeypatch.setattr(runtime.CUDAAccelerator, "auto_device_count", lambda: 0)
    long = changed(small_spec, schedule={"iterations": 90_000})
    for spec, accelerator, warned in ((small_spec, "auto", 0), (long, "cpu", 0), (long, "auto", 1)):
        runtime.announce(spec, accelerator, runtime.start(spec, accelerator))
        out, err = capsys.readouterr()
        first, *others = err.splitlines()
        assert out == "" and first == f"trains on {runtime.environment()['processor']}, {spec.threads} threads"
        assert len(others) == warned
    assert "90,000 iterations on the CPU; accelerator=cpu says that this is meant" in others[0]
