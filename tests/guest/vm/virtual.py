"""Images of virtual machines that run test programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emu.machine import Machine
from emu.network import Network
from emu.result import Reason, Result
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST

PROGRAMS = Path(__file__).with_name("programs")
VM = GUEST / "vm"
SYSTEM = {"uls": ["os/main_uls.asm", "os/monitor_uls.asm", "../lib/fair.asm"],
          "l4": ["os/main_l4.asm", "os/monitor_l4.asm"]}
PARTS = {"echo": ["user/net/echo.toml", "lib/program.toml"]}       # of programs of ours that are more than a file
ENOUGH = 400_000_000            # cycles


def image(directory: Path, variant: str, *programs: str, arguments: str = "1 5", tick_hz: int = 500) -> Image:
    """An image of a resource monitor with `arguments`, a guest operating system and programs: names of files here, or
    of ours in guest/user, perhaps with arguments behind them.
    """
    lines = ["[image]", "description = 'a test'", "[kernel]", f"variant = '{variant}'",
             f"parameters = {{ TICK_HZ = {tick_hz} }}",
             "[[program]]", "name = 'resource'", f"arguments = '{arguments}'",
             f"sources = ['{VM}/resource/resource_{variant}.asm']", f"parts = ['{VM}/resource.toml']",
             "[[program]]", "name = 'os'", f"sources = {[f'{VM}/{name}' for name in SYSTEM[variant]]}",
             f"parts = ['{VM}/os.toml', '{GUEST}/net/net.toml', '{GUEST}/sockets/sockets.toml']"]
    for at, program in enumerate(programs):
        name, _, words = program.partition(" ")
        count = [each.partition(" ")[0] for each in programs[:at]].count(name)
        parts = [str(GUEST / part) for part in PARTS.get(name, ["lib/program.toml"])]
        lines += ["[[program]]", f"name = '{name}{count + 1 if count else ''}'", f"arguments = '{words}'",
                  f"parts = {parts}"]
        if name not in PARTS:
            lines.append(f"sources = ['{_find(name)}']")
    manifest = directory / "test.toml"
    manifest.write_text("\n".join(lines))
    return build(manifest)


def _find(name: str) -> Path:
    places = (PROGRAMS, GUEST / "user", GUEST / "user" / "net")
    return next(place / f"{name}.asm" for place in places if (place / f"{name}.asm").exists())


@dataclass
class Run:
    """A machine that has run to its end."""

    machine: Machine
    result: Result

    @property
    def lines(self) -> list[str]:
        """The console, without the kernel's banner."""
        return self.machine.console.decode("ascii", "replace").splitlines()[1:]


def run(booted: Image, *, cpu: str | None = None, memory: int = 16 << 20) -> Run:
    """Boot an image and run it to its end, which is the resource monitor's doing."""
    machine = Machine.boot(booted, cpu=cpu, memory=memory)
    done = Run(machine, machine.run(max_cycles=ENOUGH))
    assert done.result.reason == Reason.EXIT, f"{done.result}\n{done.lines}"
    return done


def networked(booted: Image, plug: str, wire: str = "", *, cpu: str = "p2-450") -> tuple[Machine, Network]:
    """A machine with a network, about to run."""
    machine = Machine.boot(booted, cpu=cpu)
    return machine, Network(machine, plug, wire)
