"""Booting test programs on the kernel `ecalls`, alone or with a host at the other end of the wire."""

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
from loader.manifest import GUEST
from tests.guest.network.conftest import BOOT, Guest

PROGRAMS = Path(__file__).with_name("programs")
BASIC_PROGRAMS = Path(__file__).parents[1] / "programs"     # the first kernel's, which run here, too
LIBRARY = GUEST / "lib" / "ecalls" / "program.toml"
ENOUGH = 400_000_000                                        # cycles


@dataclass
class Run:
    """A machine that has run."""

    machine: Machine
    result: Result

    @property
    def console(self) -> str:
        """All of the console."""
        return self.machine.console.decode("ascii", "replace")

    @property
    def lines(self) -> list[str]:
        """The console, without what the kernel says when it starts."""
        return self.console.splitlines()[2:]

    def word(self, symbol: str) -> int:
        """A doubleword of the kernel's data."""
        physical = self.machine.address(symbol) - Memory.KERNEL_BASE
        return int.from_bytes(bytes(self.machine.ram.read(physical, 4)), "little")


def listed(name: str, parameters: Mapping[str, int]) -> list[str]:
    """The lines of a manifest that say what a program is made of.

    It is one of these tests, with the library if it has a .toml, or one of the first kernel's. It gets those of the
    `parameters` that it uses.
    """
    if (PROGRAMS / f"{name}.toml").is_file():
        return [f"parts = ['{PROGRAMS / name}.toml', '{LIBRARY}']"]
    folder = PROGRAMS if (PROGRAMS / f"{name}.asm").is_file() else BASIC_PROGRAMS
    source = folder / f"{name}.asm"
    text = source.read_text()
    set_ = ", ".join(f"{key} = {value}" for key, value in parameters.items() if key in text)
    return [f"sources = ['{source}']", f"parameters = {{ {set_} }}"]


def make_image(manifest: Path, names: Sequence[str], *, variant: str = "ecalls",
               kernel: Mapping[str, int] | None = None, parameters: Mapping[str, int] | None = None,
               arguments: str = "") -> Image:
    """An image of test programs.

    `names` of programs, in order, the same one more than once if you like; `kernel` and `parameters` are what is set
    in the kernel and in the programs; all programs get the same `arguments`.
    """
    set_ = ", ".join(f"{key} = {value}" for key, value in (kernel or {}).items())
    lines = ["[image]", "description = 'a test'", "[kernel]", f"variant = '{variant}'", f"parameters = {{ {set_} }}"]
    for at, name in enumerate(names):
        count = names[:at].count(name)
        lines += ["[[program]]", f"name = '{name}{count + 1 if count else ''}'", *listed(name, parameters or {}),
                  f"arguments = '{arguments}'"]
    manifest.write_text("\n".join(lines))
    return build(manifest)


@pytest.fixture(scope="session")
def ecalls_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Image]:
    """Makes an image of test programs: see `make_image`. All in one folder, so that each is assembled once."""
    manifest = tmp_path_factory.mktemp("ecalls") / "test.toml"

    def make(names: Sequence[str], *, variant: str = "ecalls", kernel: Mapping[str, int] | None = None,
             parameters: Mapping[str, int] | None = None, arguments: str = "") -> Image:
        return make_image(manifest, names, variant=variant, kernel=kernel, parameters=parameters, arguments=arguments)

    return make


def finish(machine: Machine, max_cycles: int = ENOUGH) -> Run:
    """Runs a machine to its end, which is the guest's own; no frame of memory is left behind, and no panic."""
    done = Run(machine, machine.run(max_cycles=max_cycles))
    report = f"{done.result}\n{done.console}"
    assert done.result.reason == Reason.EXIT and "panic" not in done.console, report
    assert done.word("frames_used") == 0, f"frames are lost\n{report}"
    return done


@pytest.fixture
def ecalls() -> Callable[..., Run]:
    """Boots an image and runs it to its end."""

    def boot(booted: Image, *, cpu: str | Path | None = None, memory: int = 16 << 20) -> Run:
        return finish(Machine.boot(booted, cpu=cpu, memory=memory))

    return boot


@pytest.fixture
def guest(ecalls_image: Callable[..., Image]) -> Callable[..., Guest]:
    """Boots test programs with a host at the other end of the wire."""

    def boot(*names: str, plug: str | None = "host:10.0.0.1", wire: str = "rate=100M", variant: str = "ecalls",
             kernel: Mapping[str, int] | None = None, parameters: Mapping[str, int] | None = None) -> Guest:
        """The machine when the programs have had time to begin."""
        booted = Guest(ecalls_image(names, variant=variant, kernel=kernel, parameters=parameters), plug, wire)
        booted.run(BOOT)
        return booted

    return boot
