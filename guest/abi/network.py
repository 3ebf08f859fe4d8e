"""The kernel `network`: what an image may set, and the kernel's own objects."""

from __future__ import annotations

from guest.abi.fair import FAIR
from guest.abi.kernel import TCB
from guest.abi.layout import Layout, gap, u32
from guest.abi.words import Word


class Networked(Word):
    """Set by a kernel for itself"""

    NETWORK = 0, "1: it has a network card and sockets"


class NetworkParameter(Word):
    """Parameters of the kernel `network`: addresses as one reads them, 10.0.0.2 is 0A000002h"""

    HOST_ADDRESS = 0x0A00_0002, "our address"
    HOST_MASK = 0xFFFF_FF00, "the bits of it that all in our network have in common"
    HOST_GATEWAY = 0, "who takes packets for other networks; 0: nobody"


TASK = Layout(
    "TASK", "Control block of a program's thread: a TCB with more",
    gap("tcb", TCB.size, "a TCB"),
    u32("waits", "THREAD_WAITING: SOCKET that it waits for; 0: any of its own"),
    gap("fair", FAIR.size, "a FAIR"),
)
