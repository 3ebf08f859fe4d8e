"""Booting test programs on the kernel `activations`, and what every run must fulfil whatever the programs do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.result import Reason, Result
from guest.abi.memory import Memory
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST, IMAGES

PROGRAMS = Path(__file__).with_name("programs")
BASIC_PROGRAMS = Path(__file__).parents[1] / "programs"       # the first kernel's, which run here, too
ENOUGH = 400_000_000          # cycles
SELDOM = "parameters = { TICK_HZ = 19 }"      # no tick comes before the end of a short test


@dataclass
class ActRun:
    """A machine that has run."""

    machine: Machine
    result: Result

    @property
    def console(self) -> str:
        """All of the console."""
        return self.machine.console.decode("ascii", "replace")

    @property
    def lines(self) -> list[str]:
        """The console, without the kernel's banner."""
        return self.console.splitlines()[1:]

    def word(self, symbol: str) -> int:
        """A doubleword of the kernel's data."""
        physical = self.machine.address(symbol) - Memory.KERNEL_BASE
        return int.from_bytes(bytes(self.machine.ram.read(physical, 4)), "little")


def source_of(name: str) -> Path:
    """The file of a test program: one of this kernel's, else one of the first kernel's."""
    own = PROGRAMS / f"{name}.asm"
    return own if own.is_file() else BASIC_PROGRAMS / f"{name}.asm"


def write_manifest(manifest: Path, names: Sequence[str], *, kernel: str = "", arguments: str = "",
                   parameters: Mapping[str, int] | None = None) -> None:
    """The manifest of an image of test programs.

    `names` of test programs, in order, the same one more than once if you like; `kernel` are further keys of the
    manifest's [kernel]; all programs get the same `arguments`, and those of the `parameters` that they use.
    """
    lines = ["[image]", "description = 'a test'", "[kernel]", "variant = 'activations'", kernel]
    for at, name in enumerate(names):
        count = names[:at].count(name)
        text = source_of(name).read_text()
        set_ = ", ".join(f"{key} = {value}" for key, value in (parameters or {}).items() if key in text)
        lines += ["[[program]]", f"name = '{name}{count + 1 if count else ''}'", f"sources = ['{source_of(name)}']",
                  f"arguments = '{arguments}'", f"parameters = {{ {set_} }}"]
    manifest.write_text("\n".join(lines))


@pytest.fixture
def act_image(tmp_path: Path) -> Callable[..., Image]:
    """Makes an image of test programs: see `write_manifest`."""

    def make(names: Sequence[str], *, kernel: str = "", arguments: str = "",
             parameters: Mapping[str, int] | None = None) -> Image:
        manifest = tmp_path / "test.toml"
        write_manifest(manifest, names, kernel=kernel, arguments=arguments, parameters=parameters)
        return build(manifest)

    return make


def finish(machine: Machine, max_cycles: int = ENOUGH) -> ActRun:
    """Runs a machine to its end, which is the guest's own; no frame of memory is left behind, and no panic."""
    done = ActRun(machine, machine.run(max_cycles=max_cycles))
    report = f"{done.result}\n{done.console}"
    assert done.result.reason == Reason.EXIT and "panic" not in done.console, report
    assert done.word("frames_used") == 0, f"frames are lost\n{report}"
    return done


@pytest.fixture
def act() -> Callable[..., ActRun]:
    """Boots an image and runs it to its end."""

    def boot(booted: Image, *, cpu: str | Path | None = None, memory: int = 16 << 20,
             received: bytes = b"") -> ActRun:
        """`received` is what comes in at COM1 once a program asks for it."""
        machine = Machine.boot(booted, cpu=cpu, memory=memory)
        if received:
            machine.run(until="input_open")
            machine.uart.receive(received)
        return finish(machine)

    return boot


@pytest.fixture
def basic_images(tmp_path: Path) -> Callable[[str], Image]:
    """Makes one of our images for the first kernel into one for this kernel."""

    def make(name: str) -> Image:
        text = (IMAGES / f"{name}.toml").read_text()
        manifest = tmp_path / f"{name}.toml"
        manifest.write_text(text.replace('kernel = "basic"', 'kernel = "activations"').replace('"../', f'"{GUEST}/'))
        return build(manifest)

    return make
