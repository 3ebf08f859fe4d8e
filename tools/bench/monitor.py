"""What it costs to be watched: the same run with and without a monitor."""

from __future__ import annotations

from collections.abc import Callable

from emu.crossings import BLOCK, CROSSING
from emu.machine import Machine
from emu.monitor.monitor import Monitor, Records
from tools.bench import kernel, mix
from tools.bench.rig import MEMORY, Figure, Group, best, image

PROFILES = ("unit", "p3-500")
CROSSINGS, BLOCKS = 1.1, 2.0    # the most that a watched run may take, as a multiple of the other


class Nowhere:
    """A sink that only looks that there is something: what becomes of records is another's cost."""

    def crossings(self, records: Records) -> None:
        """Take some crossings."""
        assert records.dtype == CROSSING

    def blocks(self, records: Records) -> None:
        """Take some blocks."""
        assert records.dtype == BLOCK


def measure(quick: bool) -> Group:
    """System calls for crossings, which are never more frequent; the mix, whose blocks are short, for blocks."""
    figures = []
    for profile in PROFILES:
        calls = _slower(_calling, _some, profile, quick, blocks=False)
        mixed = _slower(_mix, _all_of_mix, profile, quick, blocks=True)
        figures += [Figure(f"crossings_{profile}", calls, CROSSINGS, at_most=True),
                    Figure(f"blocks_{profile}", mixed, BLOCKS, at_most=True)]
    return Group("monitor", "time with records of every crossing, or of every block, over time without", figures)


def _slower(make: Callable[[str], Machine], run: Callable[[Machine], None], profile: str, quick: bool,
            blocks: bool) -> float:
    """How much longer `run` takes if what `make` makes is watched."""
    plain, watched = make(profile), make(profile)
    monitor = Monitor(watched, blocks=blocks, sink=Nowhere())
    monitor.start()
    without, with_ = best([lambda: run(plain), lambda: run(watched)], quick)
    return with_ / without


def _calling(profile: str) -> Machine:
    return kernel.booted(kernel.calling(), profile)


def _some(machine: Machine) -> None:
    machine.run(max_instructions=kernel.INSTRUCTIONS)


def _mix(profile: str) -> Machine:
    machine = Machine.boot(image(mix.source()), memory=MEMORY, cpu=profile)
    machine.run(until="start")
    return machine


def _all_of_mix(machine: Machine) -> None:
    machine.cpu.registers.eip = machine.address("start")
    machine.run(until="stop")
