"""The watch sees what it is there to see, and nothing of this machine's own."""

import os
import subprocess
import sys

import pytest
from tests.torture.kills import WATCH

UDP = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "  # to connect sends nothing


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        (UDP + "s.connect(('192.0.2.1', 9))", "socket.connect '192.0.2.1'"),
        (UDP + "s.bind(('0.0.0.0', 0))", "socket.bind '0.0.0.0'"),
        (UDP + "s.bind(('127.0.0.1', 0)); socket.getaddrinfo('localhost', 9)", None),
        ("import socket; socket.socket(socket.AF_UNIX).bind('here')", None),
    ],
)
def test_what_is_noted(tmp_path, code, seen):
    place = {"PYTHONPATH": str(WATCH), "TORTURE_CONNECTIONS": str(tmp_path / "seen")}
    subprocess.run([sys.executable, "-c", code], env=os.environ | place, cwd=tmp_path, check=True)
    first, *noted = (tmp_path / "seen").read_text().splitlines()
    assert first == "watched"
    assert [line.partition(" by ")[0] for line in noted] == ([seen] if seen else [])
