"""Ctrl-C ends a command with status 130 and without a word, whatever it was importing."""

import os
import signal
import subprocess
import sys

import pytest
from tests.conftest import ROOT

# Sends SIGINT to its own process as the module MODULE is about to be imported.
INTERRUPT = """\
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["MODULE"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""


def interrupted(tmp_path, module: str, sigint: signal.Handlers = signal.SIG_DFL) -> subprocess.CompletedProcess:
    """`sigint`: what the command starts with; what a shell sends to the background ignores it."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT)
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    environment = os.environ | {"PYTHONPATH": paths, "MODULE": module}
    command = [sys.executable, "-m", "triplehead", "audit"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, sigint),
    )  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        "typer",  # the first of what all commands need
        "yaml",
        "triplehead.plan.plan",
        "triplehead.cli.work",  # a command's
        "triplehead.analysis.audit",  # in the midst of the command
    ],
)
def test_while_it_imports(tmp_path, module):
    result = interrupted(tmp_path, module)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_where_it_is_ignored_it_stays_ignored(tmp_path):
    result = interrupted(tmp_path, "typer", signal.SIG_IGN)
    assert result.returncode == 0 and "agrees" in result.stdout
