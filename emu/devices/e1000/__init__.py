"""NIC: the Intel 82540EM gigabit Ethernet controller ("e1000") as software sees it; `nic.E1000` is the whole of it."""

from emu.devices.e1000.nic import E1000

__all__ = ["E1000"]
