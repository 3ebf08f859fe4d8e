"""Booting test programs on the microkernel, in either variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.result import Reason, Result
from emu.snapshot import Snapshot
from guest.abi.memory import Memory
from guest.abi.micro import MicroMemory
from loader.build import build
from loader.image import Image
from tests.guest.micro.puppets import PROGRAM, Stage

PROGRAMS = Path(__file__).with_name("programs")
ENOUGH = 100_000_000          # cycles
SELDOM = 19                   # ticks a second: none falls into a test that does not wait for it


@dataclass
class MicroRun:
    """A machine with the microkernel that has run."""

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


def write_manifest(manifest: Path, variant: str, source: Path, parameters: Mapping[str, int]) -> None:
    """The manifest of an image with one program, as root task; `parameters` are the kernel's."""
    set_ = ", ".join(f"{name} = {value}" for name, value in parameters.items())
    manifest.write_text("\n".join([
        "[image]", "description = 'a test'", "[kernel]", f"variant = '{variant}'", f"parameters = {{ {set_} }}",
        "[[program]]", f"name = '{source.stem}'", f"sources = ['{source}']", f"base = {MicroMemory.ROOT_BASE:d}"]))


@pytest.fixture(params=["l4", "uls"])
def variant(request: pytest.FixtureRequest) -> str:
    """Each variant of the microkernel in turn."""
    name: str = request.param
    return name


@pytest.fixture
def micro_image(tmp_path: Path, variant: str) -> Callable[..., Image]:
    """Makes an image of the variant with a test program as root task."""

    def make(program: str | Path, parameters: Mapping[str, int] | None = None) -> Image:
        """`program` is the name of a file in programs/, or a path; `parameters` are the kernel's."""
        source = program if isinstance(program, Path) else PROGRAMS / f"{program}.asm"
        manifest = tmp_path / "test.toml"
        write_manifest(manifest, variant, source, parameters or {})
        return build(manifest)

    return make


@pytest.fixture
def micro(micro_image: Callable[..., Image]) -> Callable[..., MicroRun]:
    """Boots a test program as root task of the variant, and runs the machine to its end."""

    def boot(program: str | Path, *, cpu: str | None = None, memory: int = 16 << 20,
             parameters: Mapping[str, int] | None = None) -> MicroRun:
        """The end is the guest's own."""
        machine = Machine.boot(micro_image(program, parameters), cpu=cpu, memory=memory)
        done = MicroRun(machine, machine.run(max_cycles=ENOUGH))
        assert done.result.reason == Reason.EXIT, f"{done.result}\n{done.console}"
        return done

    return boot


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Machine, Snapshot]]:
    """Machines whose threads are puppets, and the moment at which the root task begins. Each kind is booted once."""
    machines: dict[tuple[object, ...], tuple[Machine, Snapshot]] = {}

    def boot(variant: str, cpu: str | None, memory: int, kernel: dict[str, int]) -> tuple[Machine, Snapshot]:
        key = (variant, cpu, memory, *sorted(kernel.items()))
        if key not in machines:
            manifest = tmp_path_factory.mktemp("stage") / f"{variant}.toml"
            write_manifest(manifest, variant, PROGRAMS / f"{PROGRAM}.asm", kernel)
            machine = Machine.boot(build(manifest), cpu=cpu, memory=memory)
            machines[key] = machine, Stage.boot(machine, variant == "uls")
        return machines[key]

    return boot


@pytest.fixture
def stages(booted: Callable[..., tuple[Machine, Snapshot]]) -> Iterator[Callable[..., Stage]]:
    """Makes stages. Behind the test, the kernel of each must be in order."""
    made: list[Stage] = []

    def stage(variant: str, *, cpu: str | None = None, memory: int = 16 << 20, ticks: int = SELDOM, **kernel: int
              ) -> Stage:
        """`ticks` a second; `kernel` are other parameters of it."""
        machine, snapshot = booted(variant, cpu, memory, {"TICK_HZ": ticks, **kernel})
        machine.restore(snapshot)
        made.append(Stage(machine, variant == "uls"))
        return made[-1]

    yield stage
    for one in made:
        one.invariants.check()


@pytest.fixture
def stage(stages: Callable[..., Stage], variant: str) -> Stage:
    """A stage with each variant of the kernel in turn."""
    return stages(variant)


@pytest.fixture
def uls(stages: Callable[..., Stage]) -> Stage:
    """A stage with the kernel that does not schedule."""
    return stages("uls")


@pytest.fixture
def l4(stages: Callable[..., Stage]) -> Stage:
    """A stage with the kernel that does."""
    return stages("l4")


@pytest.fixture(params=["int", "stub"])
def gate(request: pytest.FixtureRequest) -> str:
    """Each way into an IPC in turn: INT, and what KIP_CODE does, which is SYSENTER."""
    name: str = request.param
    return name
