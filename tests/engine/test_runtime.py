"""A process's device."""

import warnings

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
