"""Files of the future."""

import os
import time

import pytest

from triplehead.clock import bring_back, check_past
from triplehead.errors import InputError


def dated(path, seconds: float):
    path.write_text("x")
    os.utime(path, (time.time() + seconds,) * 2)
    return path


def test_only_files_of_the_future_are_dated_anew_and_their_order_stays(tmp_path):
    old, late, later = (dated(tmp_path / name, age) for name, age in (("a", -100), ("b", 3600), ("c", 7200)))
    before = old.stat().st_mtime
    assert bring_back([old, late, later, tmp_path / "none"]) == 2
    assert old.stat().st_mtime == before < late.stat().st_mtime == later.stat().st_mtime <= time.time()
    assert bring_back([old, late, later]) == 0


def test_a_file_that_is_not_ours_is_named(tmp_path, monkeypatch):
    file = dated(tmp_path / "instances.json", 3600)
    with pytest.raises(InputError, match=r"instances\.json: was last changed in the future \(\d{4}-.*`touch`"):
        check_past(file)

    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refused)
    with pytest.raises(InputError, match=r"instances\.json: was changed in the future, .*Operation not permitted"):
        bring_back([file])


def test_a_clock_that_was_right_is_no_problem(tmp_path):
    check_past(dated(tmp_path / "a", -1))
