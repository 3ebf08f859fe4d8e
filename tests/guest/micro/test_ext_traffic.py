"""All extensions at once, under random traffic: the kernel's invariants (emu.monitor.invariants) hold at every step.

Among them are those of the extensions: accounts that add up to the cycle, loans in pairs and without rings,
backlogs that are the lengths of the queues.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guest.abi.micro import KipFeature
from tests.guest.micro.extensions.traffic import Traffic
from tests.guest.micro.puppets import Stage

ALL = int(KipFeature.KIP_ACCOUNTING | KipFeature.KIP_BUDGET | KipFeature.KIP_CEILING | KipFeature.KIP_BACKLOG)
TICKS = 2000                # a second, or 500 us: a few steps
STEPS, MANY = 500, 20_000


def play(stage: Stage, seed: int, steps: int) -> None:
    traffic = Traffic(stage, seed)
    for _ in range(steps):
        traffic.step()
        stage.invariants.check(memory=False)


@pytest.mark.parametrize("seed", range(3))
def test_the_invariants_hold(stages: Callable[..., Stage], seed: int) -> None:
    play(stages("uls", EXTENSIONS=ALL, ticks=TICKS), seed, STEPS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 14))
def test_the_invariants_hold_for_long(stages: Callable[..., Stage], seed: int) -> None:
    play(stages("uls", EXTENSIONS=ALL, ticks=TICKS), seed, MANY)
