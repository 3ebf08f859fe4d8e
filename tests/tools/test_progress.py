"""Long work shows how far it is on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tools.progress import WIDTH, bar

COSTS = ["costs", "preempt", "--no-fast-forward", "--max-cycles", "30M"]


@pytest.mark.parametrize(("share", "filled", "percent"), [
    (0, 0, "0%"), (0.5, WIDTH // 2, "50%"), (1, WIDTH, "100%"), (-1, 0, "0%"), (7, WIDTH, "100%")])
def test_a_bar_is_as_full_as_the_work_is_done(share: float, filled: int, percent: str) -> None:
    text = bar(share)
    assert text.count("#") == filled and len(text) == len(bar(0)) and text.endswith(f" {percent}")


def on_terminal(command: list[str], arguments: list[str]) -> tuple[bytes, bytes]:
    """(standard error, a terminal; standard output, a pipe) of a command."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:                     # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return shown, process.communicate()[0]


def test_a_terminal_is_shown_how_far_a_run_is_and_no_trace_of_it_stays(command: list[str]) -> None:
    shown, out = on_terminal(command, [*COSTS, "--json"])
    lines = shown.split(b"\r\x1b[K")
    assert any(line.startswith(b"running: cycle ") and b"%" in line for line in lines)
    assert lines[-1] == b"" and out.startswith(b"{")


def test_a_pipe_is_not(command: list[str]) -> None:
    done = subprocess.run([*command, *COSTS, "--json"], capture_output=True, timeout=120)
    assert done.stderr == b"" and done.returncode == 0


def test_naming_the_commands_does_not_load_the_machine() -> None:
    check = "import sys, tools.cli; sys.exit('numba' in sys.modules or 'prompt_toolkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", check], timeout=60).returncode == 0
