"""Booting test programs on the kernel `network`, with a host at the other end of its wire."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.net.connection import Connection, Failure
from emu.net.host import Host
from emu.net.tcp import Stack
from emu.network import Network
from emu.result import Result
from guest.abi.memory import Memory
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST

sys.path.insert(0, str(Path(__file__).parents[1] / "net"))      # net_frames and others

PROGRAMS = Path(__file__).with_name("programs")
BASIC_PROGRAMS = Path(__file__).parents[1] / "programs"         # the first kernel's, which run here, too
OURS = bytes((10, 0, 0, 2))
CPU = "p2-450"
MS = 450_000                                                    # its cycles
BOOT = 30 * MS                                                  # the console is slow


@dataclass
class Talk:
    """A connection of the host, and all that it hears."""

    connection: Connection | None = None
    said: list[str] = field(default_factory=list)
    got: bytearray = field(default_factory=bytearray)

    def opened(self) -> None:
        """Accepted."""
        self.said.append("opened")

    def received(self, data: bytes) -> None:
        """The next bytes."""
        self.got += data

    def ended(self) -> None:
        """No more."""
        self.said.append("ended")

    def failed(self, failure: Failure) -> None:
        """No connection any more."""
        self.said.append(failure.name.lower())


class Guest:
    """A machine with the kernel and programs; plugged in, or without a card."""

    def __init__(self, image: Image, plug: str | None, wire: str = "rate=100M") -> None:
        self.machine = Machine.boot(image, cpu=CPU)
        self.network = Network(self.machine, plug, wire) if plug is not None else None
        self._client: Stack | None = None

    def run(self, cycles: int) -> Result:
        """It runs on."""
        return self.machine.run(max_cycles=cycles)

    @property
    def lines(self) -> list[str]:
        """The console, without the kernel's banner."""
        return self.machine.console.decode("ascii", "replace").splitlines()[2:]

    @property
    def host(self) -> Host:
        """Who is at the other end."""
        assert self.network is not None
        host = self.network.plug.parts["host"]
        assert isinstance(host, Host)
        return host

    def connect(self, port: int) -> Talk:
        """The host opens a connection."""
        self._client = self._client or Stack(self.host)
        talk = Talk()
        talk.connection = self._client.connect(OURS, port)
        assert talk.connection is not None
        talk.connection.user = talk
        return talk

    def said(self) -> dict[str, int]:
        """What the network counts."""
        assert self.network is not None
        return self.network.describe()

    def word(self, symbol: str, offset: int = 0) -> int:
        """A doubleword of the kernel's data."""
        physical = self.machine.address(symbol) + offset - Memory.KERNEL_BASE
        return int.from_bytes(bytes(self.machine.ram.read(physical, 4)), "little")


def listed(name: str) -> str:
    """The lines of a manifest that say what a program is made of: one of this kernel's tests, one of the first
    kernel's, or one of guest/user/net.
    """
    for folder in (PROGRAMS, BASIC_PROGRAMS):
        if (folder / f"{name}.asm").is_file():
            return f"sources = ['{folder / name}.asm']"
    return f"parts = ['{GUEST / 'user' / 'net' / name}.toml', '{GUEST / 'lib' / 'program.toml'}']"


@pytest.fixture(scope="session")
def net_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Image]:
    """Makes an image of test programs for the kernel `network`; all in one folder, so that each is assembled once."""
    folder = tmp_path_factory.mktemp("network")

    def make(names: Sequence[str], *, parameters: Mapping[str, int] | None = None, arguments: str = "") -> Image:
        """`names` of programs, in order, the same one more than once if you like; `parameters` of the kernel; all
        programs get the same `arguments`.
        """
        set_ = ", ".join(f"{name} = {value}" for name, value in (parameters or {}).items())
        lines = ["[image]", "description = 'a test'", "[kernel]", "variant = 'network'", f"parameters = {{ {set_} }}"]
        for at, name in enumerate(names):
            count = names[:at].count(name)
            lines += ["[[program]]", f"name = '{name}{count + 1 if count else ''}'",
                      listed(name), f"arguments = '{arguments}'"]
        manifest = folder / "test.toml"
        manifest.write_text("\n".join(lines))
        return build(manifest)

    return make


@pytest.fixture
def guest(net_image: Callable[..., Image]) -> Callable[..., Guest]:
    """Boots test programs with a host at the other end."""

    def boot(*names: str, plug: str | None = "host:10.0.0.1", wire: str = "rate=100M",
             parameters: Mapping[str, int] | None = None) -> Guest:
        """The machine when the programs have had time to begin."""
        booted = Guest(net_image(names, parameters=parameters), plug, wire)
        booted.run(BOOT)
        return booted

    return boot
