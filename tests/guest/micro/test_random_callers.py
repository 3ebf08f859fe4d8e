"""No sequence of system calls stops the kernel, or leaves it with something that does not fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.invariants.checking import Invariants
from guest.abi.micro import KipFeature
from tests.guest.micro.random_callers import BORN, LITTLE, boot, run_calls

CHECKED = 2_500         # crossings at which all invariants are checked
SHORT = 15_000          # calls of the short version
BRIEF = 5_000           # calls of what costs more
LONG = 1_000_000        # ... of the long one
SEEDS = (1, 2, 3)       # of the long one
L4_HAS = KipFeature.KIP_ACCOUNTING | KipFeature.KIP_BACKLOG
EXTENSIONS = {"l4": L4_HAS, "uls": L4_HAS | KipFeature.KIP_BUDGET | KipFeature.KIP_CEILING}


def storm(machine: Machine, calls: int, checked: int = 100) -> None:
    """So many random calls; fails if the kernel or one of its programs does not stand it."""
    machine.run(max_cycles=BORN)
    run_calls(machine, calls)
    assert Invariants(machine).run(checked).reason == "until"


def test_everything_fits_together_at_every_crossing(variant: str, tmp_path: Path) -> None:
    checks = Invariants(boot(tmp_path, variant, 1))
    assert checks.run(CHECKED).reason == "until"
    assert checks.checks == CHECKED


def test_the_kernel_stands_random_calls(variant: str, tmp_path: Path) -> None:
    storm(boot(tmp_path, variant, 4), SHORT)


def test_it_stands_them_without_sysenter(variant: str, tmp_path: Path) -> None:
    storm(boot(tmp_path, variant, 5, cpu="p5-166"), BRIEF)


def test_it_stands_them_with_all_its_extensions(variant: str, tmp_path: Path) -> None:
    storm(boot(tmp_path, variant, 6, EXTENSIONS=EXTENSIONS[variant]), BRIEF)


def test_it_stands_them_when_its_memory_is_used_up(variant: str, tmp_path: Path) -> None:
    machine = boot(tmp_path, variant, 7, memory=LITTLE)
    checks = Invariants(machine)
    assert checks.run(500).reason == "until"
    storm(machine, BRIEF)
    checks.check()                                      # by the count of frames at the beginning


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_the_kernel_stands_a_million_random_calls(variant: str, seed: int, tmp_path: Path) -> None:
    storm(boot(tmp_path, variant, seed), LONG, 20_000)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_fits_together_at_very_many_crossings(variant: str, seed: int, tmp_path: Path) -> None:
    assert Invariants(boot(tmp_path, variant, seed)).run(200_000).reason == "until"


@pytest.mark.long
@pytest.mark.parametrize("memory", [LITTLE, 16 << 20])
def test_everything_fits_together_with_extensions_and_little_memory(variant: str, memory: int, tmp_path: Path) -> None:
    checks = Invariants(boot(tmp_path, variant, 8, memory=memory, EXTENSIONS=EXTENSIONS[variant]))
    assert checks.run(100_000).reason == "until"
