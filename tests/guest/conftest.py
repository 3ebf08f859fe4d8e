"""Booting test programs, and what every run must fulfil whatever the programs do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.result import Reason, Result
from guest.abi.memory import Memory
from loader.build import build
from loader.image import Image

PROGRAMS = Path(__file__).with_name("programs")
ENOUGH = 400_000_000          # cycles; the longest test takes a tenth


@dataclass
class Run:
    """A machine that has run."""

    machine: Machine
    result: Result

    @property
    def lines(self) -> list[str]:
        """The console, without the kernel's banner."""
        return self.machine.console.decode("ascii", "replace").splitlines()[1:]

    def word(self, symbol: str) -> int:
        """A doubleword of the kernel's data."""
        physical = self.machine.address(symbol) - Memory.KERNEL_BASE
        return int.from_bytes(bytes(self.machine.ram.read(physical, 4)), "little")


@pytest.fixture
def image(tmp_path: Path) -> Callable[..., Image]:
    """Makes an image of test programs."""

    def make(names: Sequence[str], *, kernel: str = "", arguments: str = "") -> Image:
        """`names` of files in programs/, in order, the same one more than once if you like; `kernel` are further
        keys of the manifest's [kernel]; all programs get the same `arguments`.
        """
        lines = ["[image]", "description = 'a test'", "[kernel]", "variant = 'basic'", kernel]
        for at, name in enumerate(names):
            count = names[:at].count(name)
            lines += ["[[program]]", f"name = '{name}{count + 1 if count else ''}'",
                      f"sources = ['{PROGRAMS / name}.asm']", f"arguments = '{arguments}'"]
        manifest = tmp_path / "test.toml"
        manifest.write_text("\n".join(lines))
        return build(manifest)

    return make


@pytest.fixture
def run() -> Callable[..., Run]:
    """Boots an image and runs it to its end."""

    def boot(booted: Image, *, cpu: str | Path | None = None, memory: int = 16 << 20) -> Run:
        """The end is the guest's own, and no frame of memory is left behind, unless the kernel panicked."""
        machine = Machine.boot(booted, cpu=cpu, memory=memory)
        done = Run(machine, machine.run(max_cycles=ENOUGH))
        report = f"{done.result}\n{machine.console.decode('ascii', 'replace')}"
        assert done.result.reason == Reason.EXIT, report
        assert "kernel panic" in report or done.word("frames_used") == 0, f"frames are lost\n{report}"
        return done

    return boot
