"""Images of test programs under the root task."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from emu.machine import Machine
from emu.result import Reason, Result
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST

PROGRAMS = Path(__file__).parent
ROOT = GUEST / "user" / "micro"
LIBRARY = GUEST / "lib" / "micro"
NETWORK = (LIBRARY / "net.toml", GUEST / "net" / "net.toml", GUEST / "sockets" / "sockets.toml")
POLICIES = {"l4": "sched_kernel", "uls": "sched_round_robin"}      # what the root task does if a test does not say
ENOUGH = 200_000_000          # cycles


@dataclass(frozen=True)
class Program:
    """A program of an image."""

    name: str                            # also of its file here, or in guest/user
    source: str = ""                     # that file, if it is called otherwise
    arguments: str = ""                  # follow the name in the module's string
    more: tuple[str | Path, ...] = ()    # further files
    timeouts: Path = LIBRARY / "timeout.asm"
    parts: tuple[Path, ...] = (LIBRARY / "program.toml",)

    def manifest(self) -> list[str]:
        """Its lines of the manifest."""
        sources = [_find(name) for name in (self.source or self.name, *self.more)] + [self.timeouts]
        return ["[[program]]", f"name = '{self.name}'", f"arguments = '{self.arguments}'",
                f"sources = {[str(source) for source in sources]}", f"parts = {[str(part) for part in self.parts]}"]


def _find(name: str | Path) -> Path:
    if isinstance(name, Path):
        return name
    places = (PROGRAMS, ROOT, GUEST / "user", GUEST / "user" / "net")
    return next(place / f"{name}.asm" for place in places if (place / f"{name}.asm").exists())


def image(directory: Path, variant: str, *programs: Program | str, policy: str = "", parameters: str = "") -> Image:
    """An image with the root task and these programs; `parameters` are the kernel's, as in a manifest."""
    lines = ["[image]", "description = 'a test'", "[kernel]", f"variant = '{variant}'",
             f"parameters = {{ {parameters} }}",
             "[[program]]", "name = 'root'", f"sources = ['{ROOT / (policy or POLICIES[variant])}.asm']",
             f"parts = ['{ROOT / 'root.toml'}']"]
    for program in programs:
        lines += (program if isinstance(program, Program) else Program(program)).manifest()
    manifest = directory / "test.toml"
    manifest.write_text("\n".join(lines))
    return build(manifest)


def late_network() -> tuple[Path, ...]:
    """The files of a program that starts the network itself."""
    files = [part.parent / source for part in NETWORK for source in tomllib.loads(part.read_text())["sources"]]
    return (LIBRARY / "start.asm", *(file for file in files if file.name != "start_net.asm"))


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
        """The console, without the kernel's banner."""
        return self.console.splitlines()[1:]


def run(booted: Image, *, cpu: str | None = None, memory: int = 16 << 20) -> Run:
    """Boot an image and run it to its end, which is the root task's doing."""
    machine = Machine.boot(booted, cpu=cpu, memory=memory)
    done = Run(machine, machine.run(max_cycles=ENOUGH))
    assert done.result.reason == Reason.EXIT, f"{done.result}\n{done.console}"
    assert "wrong: " not in done.console and "panic" not in done.console, done.console
    return done
