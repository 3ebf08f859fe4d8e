"""Frames: how many of them go through wire, card, driver, protocols and a program in a second of this computer.

The ratios compare instructions a second with those of the same kernel and protocols between two programs, where no
frame leaves the machine: what is missing went into the card and the wire.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from emu.machine import Machine
from emu.network import Network
from emu.result import Reason
from loader.build import build
from loader.image import Image
from loader.manifest import GUEST
from tools.bench.rig import Figure, Group, best

PROFILE = "p2-450"
MS = 450_000                # cycles
BEFORE = 20 * MS            # until a guest is up, and its traffic steady
CYCLES = 2 * MS             # of one run
TRAFFIC = {                 # image and plug; at these rates the guest answers everything
    "small": ("echo", "udp:dst=10.0.0.2,port=7,start=10ms,size=18,frames=120000"),
    "full": ("echo", "udp:dst=10.0.0.2,port=7,start=10ms,size=1472,frames=30000"),
    "stream": ("net-stream", "tcpsink"),
}
ALONE = """
[image]
description = "a benchmark"
kernel = "network"

[[program]]
name = "web"
parts = ["{guest}/user/net/web.toml", "{guest}/lib/program.toml"]

[[program]]
name = "client"
parts = ["{guest}/user/net/client.toml", "{guest}/lib/program.toml"]
arguments = "127.0.0.1 80 /4k.html"
"""


class Guest:
    """A guest that is up, and its traffic steady: what a turn of it does."""

    def __init__(self, image: str | Image, plug: str = "none") -> None:
        self._machine = Machine.boot(image, cpu=PROFILE)
        self._network = Network(self._machine, plug, "rate=1G")
        self._machine.run(max_cycles=BEFORE)
        self.frames = 0             # in the last turn, both directions
        self.instructions = 0       # likewise

    def run(self) -> None:
        """A turn."""
        frames, instructions = self._delivered(), self._machine.cpu.state.instructions
        result = self._machine.run(max_cycles=CYCLES)
        if result.reason != Reason.CYCLES:
            raise RuntimeError(f"the benchmark ended otherwise: {result}")
        self.frames = self._delivered() - frames
        self.instructions = result.instructions - instructions

    def _delivered(self) -> int:
        return sum(end.delivered for end in self._network.wire.ends)


def measure(quick: bool) -> Group:
    """All of them in turns."""
    guests = {name: Guest(image, plug) for name, (image, plug) in TRAFFIC.items()} | {"alone": Guest(alone())}
    lasted = dict(zip(guests, best([guest.run for guest in guests.values()], quick), strict=True))
    mips = {name: guest.instructions / lasted[name] / 1e6 for name, guest in guests.items()}
    figures = []
    for name in TRAFFIC:
        figures += [Figure(f"{name}_frames_per_second", guests[name].frames / lasted[name]),
                    Figure(f"{name}_ratio_to_alone", mips[name] / mips["alone"])]
    return Group("network", f"frames of both directions, {PROFILE}, a wire of 1 Gbit/s: UDP sent back, the shortest "
                 "and the longest; a TCP stream", figures, {f"{name}_mips": speed for name, speed in mips.items()})


def alone() -> Image:
    """A web server and its client on one machine."""
    with tempfile.TemporaryDirectory(prefix="trapline-bench-") as folder:
        manifest = Path(folder) / "alone.toml"
        manifest.write_text(ALONE.format(guest=GUEST.as_posix()))
        return build(manifest)
