"""What counts as said, of a job whose disk was full or read-only."""

import errno
import os

import pytest
from tests.torture.disks import SQLITES, _well_said

FULL = os.strerror(errno.ENOSPC)
LINE = f"error: results/a: cannot be written ({FULL})\n"


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("text", [LINE, f"12/24\n{LINE}", f"error: store: is out of reach ({SQLITES[FULL]})\n"])
def test_the_reason_in_one_line_is_well_said(text, failed):
    assert _well_said(text, FULL, failed)


@pytest.mark.parametrize(
    "text",
    [LINE + LINE, f"Traceback (most recent call last)\n{LINE}", "error: results/a: cannot be written (Bad luck)\n"],
)
@pytest.mark.parametrize("failed", [False, True])
def test_two_lines_a_traceback_or_another_reason_are_not(text, failed):
    assert not _well_said(text, FULL, failed)


@pytest.mark.parametrize("text", ["", "24/24\n", "Bus error\n"])
def test_one_that_failed_must_say_it_and_no_other(text):
    assert _well_said(text, FULL, False) and not _well_said(text, FULL, True)
