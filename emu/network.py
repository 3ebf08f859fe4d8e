"""A network in a machine: an 82540EM on its PCI bus, the wire, and what is plugged in at the other end.

A board without a firmware has nobody who would give a PCI function its addresses before software starts. So this does,
as a PC's would: registers at `REGISTERS`, ports at `PORTS`, interrupt line `IRQ`, which it makes level-triggered.
"""

from __future__ import annotations

from typing import Any

from emu.devices.e1000.nic import E1000
from emu.devices.pci import Command, Header, Windows
from emu.devices.rtc import EPOCH
from emu.machine import Machine
from emu.net.plug import Part, connect, wire_options
from emu.net.wire import Wire

DEVICE = 3                                  # on the PCI bus
IRQ = 11                                    # to which its INTA# leads
ELCR = 0x4D1                                # port: a bit for each of the lines 8 to 15 that is level-triggered
REGISTERS, PORTS = 0xFEB8_0000, 0xC000      # where base address registers 0 and 2 are set to
MAC = bytes.fromhex("525400123456")         # of the machine's end: locally administered


class Network:
    """The chip, the wire and the plug; all of them are kept in the machine's snapshots."""

    def __init__(self, machine: Machine, plug: str | tuple[Part, ...] = "none", wire: str = "", *, mac: bytes = MAC,
                 epoch: int = EPOCH) -> None:
        """`plug` as emu.net.plug says, or what its `parse` made of it, `wire` likewise (rate=1G,delay=10us,...);
        `epoch`: seconds since 1970 at cycle 0, for recordings.

        Raises ValueError for words that make no sense, and for a machine that has a network already; OSError for files.
        """
        if machine.network:
            raise ValueError("the machine has a network already")
        self.wire = Wire(machine.clock, **wire_options(wire))
        self.plug = connect(plug, self.wire, epoch)
        end = self.wire.ends[0]
        self.nic = E1000(machine.clock, machine.pic.irq[IRQ], machine.dma, end, mac=mac, rate=self.wire.rate)
        end.receive, end.changed = self.nic.receive, self.nic.link_changed
        config = self.nic.config
        machine.pci.attach(DEVICE, 0, config)
        ports, memory = machine.bus.ports, machine.bus.memory
        Windows(config, {0: (memory, self.nic, "nic", 4), 2: (ports, self.nic.io, "nic ports", 4)})
        config.write(Header.BARS, REGISTERS, 4)
        config.write(Header.BARS + 8, PORTS, 4)
        config.write(Header.INTERRUPT_LINE, IRQ, 1)
        config.write(Header.COMMAND, Command.IO | Command.MEMORY, 2)
        ports.write(ELCR, ports.read(ELCR, 1) | 1 << IRQ - 8, 1)
        machine.network, machine.parts["nic"] = self, self.nic
        machine.attached |= {"wire": self.wire, "plug": self.plug}

    def describe(self) -> dict[str, Any]:
        """What went over the wire, and what the plug says of itself; for people."""
        return {**self.wire.describe(), **self.plug.describe()}

    def close(self) -> None:
        """Finish recordings, and leave the host's devices. Raises OSError with the file's name."""
        self.plug.close()
