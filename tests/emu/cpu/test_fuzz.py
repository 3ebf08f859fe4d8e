"""Random guest code never crashes or hangs the host, and ends alike whether it runs at one go or in pieces.

The code runs in a process of its own (fuzzing.py), which prints each seed before it runs; after a failure
`python tests/emu/cpu/fuzzing.py KIND SEED 1` shows it again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

KINDS = ["bytes0", "bytes3", "soup0", "soup3"]
PROGRAM = Path(__file__).with_name("fuzzing.py")


def fuzz(kind: str, first: int, count: int, timeout: int) -> None:
    """Run seeds; a crash, a hang or a difference fails with the output, whose last line is the seed."""
    try:
        done = subprocess.run([sys.executable, str(PROGRAM), kind, str(first), str(count)], capture_output=True,
                              text=True, timeout=timeout)
    except subprocess.TimeoutExpired as expired:
        pytest.fail(f"hangs after {(expired.stdout or b'')[-100:]!r}")
    assert done.stdout.endswith("done\n") and done.returncode == 0, (
        f"exit {done.returncode} after {done.stdout.splitlines()[-1:]}\n{done.stderr[-2000:]}")


@pytest.mark.parametrize("kind", KINDS)
def test_random_code_neither_crashes_nor_hangs_the_host(kind: str) -> None:
    fuzz(kind, 0, 6, timeout=240)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 2000, 100))
@pytest.mark.parametrize("kind", KINDS)
def test_much_random_code_neither_crashes_nor_hangs_the_host(kind: str, first: int) -> None:
    fuzz(kind, first, 100, timeout=600)
