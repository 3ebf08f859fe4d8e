"""The 82540EM as its driver sees it (Intel PCI/PCI-X Family of Gigabit Ethernet Controllers SDM, 317453)."""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u8, u16, u32
from guest.abi.words import Word


class Pci(Word):
    """PCI configuration mechanism 1 (PCI Local Bus Specification 2.2, 3.2.2.3.2), and what is looked for"""

    PCI_ADDRESS = 0xCF8, "port: which register of which function, 32 bits wide"
    PCI_DATA = 0xCFC, "port: that register"
    PCI_ENABLE = 1 << 31, "PCI_ADDRESS: the data port is open; bit 11 and up: the device on bus 0"
    PCI_DEVICE = 1 << 11, "the next device"
    PCI_DEVICES_END = 1 << 31 | 1 << 16, "behind the last one of bus 0"
    PCI_NOBODY = -1, "register 0 where no function is"
    E1000_ID = 0x100E_8086, "register 0 of an 82540EM: device and vendor"


class PciRegister(Word):
    """Registers of a PCI function"""

    PCI_COMMAND = 0x04, "what it may do"
    PCI_BAR0 = 0x10, "where its memory is"
    PCI_LINE = 0x3C, "which interrupt line it has; the lowest byte"


class PciCommand(Word):
    """PCI_COMMAND"""

    PCI_MEMORY = 0x02, "answers at its addresses in memory"
    PCI_MASTER = 0x07, "answers at its addresses, and may read and write memory itself"


class E1000Register(Word):
    """82540EM: registers, as offsets from base address register 0"""

    E1000_CTRL = 0x0000, "device control"
    E1000_ICR = 0x00C0, "interrupt causes; reading clears them"
    E1000_ITR = 0x00C4, "least distance of two interrupts, in units of 256 ns"
    E1000_ICS = 0x00C8, "sets interrupt causes"
    E1000_IMS = 0x00D0, "interrupts to let through"
    E1000_IMC = 0x00D8, "interrupts to hold back"
    E1000_RCTL = 0x0100, "receive control"
    E1000_TCTL = 0x0400, "transmit control"
    E1000_RDBAL = 0x2800, "receive ring: its address"
    E1000_RDLEN = 0x2808, "receive ring: its length, bytes"
    E1000_RDT = 0x2818, "receive ring: the tail, the first descriptor that hardware may not have"
    E1000_TDBAL = 0x3800, "transmit ring: its address"
    E1000_TDLEN = 0x3808, "transmit ring: its length, bytes"
    E1000_TDT = 0x3818, "transmit ring: the tail, behind the last descriptor that is to be sent"
    E1000_RAL = 0x5400, "receive address 0: bytes 0 to 3 of the MAC"
    E1000_RAH = 0x5404, "receive address 0: bytes 4 and 5"


class E1000Parameter(Word):
    """82540EM: what an image may set"""

    E1000_INTERVAL = 489, ("E1000_ITR: 8,000 interrupts a second at most, as Linux's e1000 had it; 0: as many as come "
                           "(317453, 13.4.18)")


class E1000Ctrl(Word):
    """82540EM: CTRL"""

    CTRL_SLU = 1 << 6, "the link may come up"
    CTRL_RST = 1 << 26, "resets the device"


class E1000Receive(Word):
    """82540EM: RCTL"""

    RCTL_ON = 1 << 1 | 1 << 15 | 1 << 26, ("EN, BAM, SECRC: receives, broadcasts too, into buffers of 2048 bytes, "
                                           "without the CRC")


class E1000Transmit(Word):
    """82540EM: TCTL"""

    TCTL_ON = 1 << 1 | 1 << 3, "EN, PSP: sends, and pads what is short"


class E1000Cause(Word):
    """82540EM: ICR, IMS"""

    CAUSES_WANTED = 1 << 7 | 1 << 6 | 1 << 4 | 1 << 2, ("RXT0, RXO, RXDMT0, LSC: frames have come, or the link has "
                                                       "changed")
    CAUSE_RECEIVED = 1 << 7, "RXT0"


class E1000Descriptor(Word):
    """82540EM: descriptors"""

    TDESC_WHOLE = 0x0B, "TDESC_COMMAND: EOP, IFCS, RS: a whole frame, to get its CRC, and say when it is done"
    DESCRIPTOR_DONE = 0x01, "RDESC_STATUS, TDESC_STATUS: DD, it is software's"
    RDESC_WHOLE = 0x03, "RDESC_STATUS: DD and EOP, a whole frame"


class E1000Size(Word):
    """The driver's memory"""

    E1000_RING = 64, "descriptors of each ring, a power of two"
    E1000_BUFFER = 2048, "bytes of the buffer that belongs to a descriptor"
    E1000_BUFFER_SHIFT = 11, "the same as a power of two"
    E1000_DESCRIPTOR_SHIFT = 4, "bytes of a descriptor, likewise"
    E1000_REGISTERS = 128 << 10, "bytes of its registers"
    E1000_BATCH = 16, ("frames that are taken at an interrupt: at 8,000 of these, more than a Gigabit wire has of full "
                       "length; so a flood of small ones leaves time for others")


RDESC = Layout(
    "RDESC", "82540EM: receive descriptor",
    u32("buffer", "physical address"),
    u32("buffer_high", "its upper half"),
    u16("length", "bytes of the frame"),
    u16("checksum", "of its data"),
    u8("status", "E1000Descriptor"),
    u8("errors", "what is wrong with it, 0: nothing"),
    u16("special", "VLAN tag"),
)

TDESC = Layout(
    "TDESC", "82540EM: legacy transmit descriptor",
    u32("buffer", "physical address"),
    u32("buffer_high", "its upper half"),
    u16("length", "bytes of the frame"),
    u8("checksum_at", "where a checksum goes, if the command asks for one"),
    u8("command", "E1000Descriptor"),
    u8("status", "likewise"),
    u8("checksum_from", "where the checksum begins"),
    u16("special", "VLAN tag"),
)

E1000 = Layout(
    "E1000", "The memory of the driver: physically in one piece, at a multiple of 16",
    gap("receive_ring", E1000Size.E1000_RING * RDESC.size, "E1000_RING times RDESC"),
    gap("transmit_ring", E1000Size.E1000_RING * TDESC.size, "E1000_RING times TDESC"),
    group("a buffer for each of their descriptors"),
    gap("receive_buffers", E1000Size.E1000_RING * E1000Size.E1000_BUFFER, "for what comes"),
    gap("transmit_buffers", E1000Size.E1000_RING * E1000Size.E1000_BUFFER, "for what goes"),
)
