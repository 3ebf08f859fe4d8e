"""The images that show the microkernel's user level: each boots, says what it is for, and ends."""

from __future__ import annotations

import pytest

from emu.machine import Machine
from emu.result import Reason
from loader.build import build

ENOUGH = 200_000_000          # cycles
PAIR = [f"{name}: {turn} of 5" for name in ("ping", "pong") for turn in range(1, 6)]
CRASH = "crash: page fault, read of 0x0, at 0x8048008"
WORKERS = [f"lower: worker {worker}, {turn} of 3" for worker in (1, 2, 3) for turn in (1, 2, 3)]

IMAGES = {                    # name: every line, in no order
    "micro-hello": ["hello, world"],
    "l4-round-robin": [CRASH, *PAIR],
    "uls-round-robin": [CRASH, *PAIR],
    "uls-fixed-priority": [f"{name}: {turn} of 5" for name in ("low", "middle", "high") for turn in range(1, 6)],
    "uls-hierarchy": [*WORKERS, *PAIR],
    "uls-watchdog": ["lower: its scheduler dispatches nobody: the root scheduler takes over", *WORKERS, *PAIR[:5]],
    "uls-timeouts": ["a message came in time", "no message came, and the time is over"],
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is_for(name: str) -> None:
    machine = Machine.boot(name)
    result = machine.run(max_cycles=ENOUGH)
    banner, *lines = machine.console.decode("ascii", "replace").splitlines()
    assert banner.startswith("trapline: l4, " if name.startswith("l4-") else "trapline: uls, ")
    assert sorted(lines) == sorted(IMAGES[name])
    assert (result.reason, result.exit_code) == (Reason.EXIT, 0)


@pytest.mark.parametrize("name", [name for name in IMAGES if not name.startswith("l4-")])
def test_no_scheduler_of_the_kernels_is_in_an_image_without_one(name: str) -> None:
    symbols = dict(build(name).symbols.items())
    assert "sched_lose" in symbols
    assert not [symbol for symbol in symbols if "ready" in symbol and "console" not in symbol]
