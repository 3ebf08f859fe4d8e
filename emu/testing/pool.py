"""Machines that were booted once, and are put back to that moment for every test that wants the same.

Each process has a pool of its own. A machine of which a test has changed more than a snapshot can restore (a device
that was plugged in, say) is not used again, and none that has a network.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

from emu.devices.rtc import EPOCH
from emu.machine import Machine
from emu.monitor.names import Names
from emu.net.plug import chosen, unrecorded
from emu.network import Network
from emu.snapshot import Snapshot, SnapshotError
from loader.boot import load
from loader.image import Image

IDLE = 6                # machines that wait for another test; each has its RAM twice


@dataclass(frozen=True)
class Wanted:
    """What is to be booted: equal ones make the same run."""

    image: str                                          # a name, or a file's full name
    address: int | None = None                          # of a flat file
    command_line: str | None = None                     # of a Multiboot kernel
    modules: tuple[str, ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()        # of a manifest's kernel, by name
    cpu: str | None = None                              # None: the image's own, or unit
    memory: int = 16 << 20                              # bytes
    until: str | int | None = None                      # where it is booted to; None: to its first instruction
    options: tuple[tuple[str, Any], ...] = ()           # further arguments of Machine.boot, by name
    nic: str | None = None                              # what is plugged into the network card; None: the image's own
    wire: str | None = None                             # which wire it is
    records: bool = True                                # captures are made; not when a run is made again


@dataclass
class Booted:
    """A machine of the pool, as it was booted."""

    machine: Machine
    wanted: Wanted
    snapshot: Snapshot
    plugged: Hashable = field(init=False)               # what is plugged in

    def __post_init__(self) -> None:
        self.plugged = _plugged(self.machine)

    @property
    def again(self) -> Wanted:
        """What makes the same run again, and leaves its captures alone."""
        network = self.machine.network
        return replace(self.wanted, records=False) if network and network.plug.recorders else self.wanted


class Pool:
    """See above."""

    def __init__(self) -> None:
        self._images: dict[tuple[Any, ...], Image] = {}
        self._snapshots: dict[Wanted, Snapshot] = {}
        self._idle: list[Booted] = []                   # the longest unused first

    def take(self, wanted: Wanted) -> Booted:
        """A machine that stands where it was booted to, nobody else's until it is given back.

        Raises what Machine.boot raises, and ValueError if it does not come to where it is to be booted to.
        """
        for booted in reversed(self._idle):
            if booted.wanted == wanted:
                self._idle.remove(booted)
                booted.machine.restore(booted.snapshot)
                return booted
        machine = self._boot(wanted)
        try:
            if wanted not in self._snapshots:
                _run_to(machine, wanted)
                self._snapshots[wanted] = machine.snapshot()
                for recorder in machine.network.plug.recorders.values() if machine.network else ():
                    recorder.cut(0)                     # for every test a capture begins here
            else:
                machine.restore(self._snapshots[wanted])
        except Exception:
            if machine.network:
                machine.network.close()
            raise
        return Booted(machine, wanted, self._snapshots[wanted])

    def give_back(self, booted: Booted) -> None:
        """Nobody needs it any more. Raises OSError for a capture that cannot be written."""
        machine = booted.machine
        machine.serial = machine.debug = machine.on_idle = machine.on_turn = None
        if machine.network:
            machine.network.close()
            return
        if _plugged(machine) != booted.plugged:
            return
        try:
            machine.restore(booted.snapshot)
        except SnapshotError:
            return
        self._idle = [*self._idle, booted][-IDLE:]

    def _boot(self, wanted: Wanted) -> Machine:
        """A machine at its first instruction, with its network."""
        image, options = self._image(wanted), dict(wanted.options)
        plugged = chosen(wanted.nic, wanted.wire, image.wiring)
        machine = Machine.boot(image, cpu=wanted.cpu, memory=wanted.memory, **options)
        if plugged:
            parts, wire = plugged
            Network(machine, parts if wanted.records else unrecorded(parts), wire, epoch=options.get("epoch", EPOCH))
        return machine

    def _image(self, wanted: Wanted) -> Image:
        key = wanted.image, wanted.address, wanted.command_line, wanted.modules, wanted.parameters
        if key not in self._images:
            self._images[key] = load(wanted.image, address=wanted.address, command_line=wanted.command_line,
                                     modules=wanted.modules, parameters=dict(wanted.parameters))
        return self._images[key]


def _run_to(machine: Machine, wanted: Wanted) -> None:
    if wanted.until is None:
        return
    until = wanted.until
    result = machine.run(until=until if isinstance(until, int) else Names.of(machine.image).resolve(until)[0])
    if result.reason != "until":
        raise ValueError(f"{wanted.image}: the run ended ({result.reason}) without having come to {until}")


def _plugged(machine: Machine) -> Hashable:
    """What a snapshot does not hold: which devices there are, and who listens to wires."""
    return (tuple(machine.bus.ports.ranges), tuple(machine.bus.memory.ranges), frozenset(machine.parts),
            frozenset(machine.clock.events), tuple(len(line.listeners) for line in machine.pic.irq))
