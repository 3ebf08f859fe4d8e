"""Which frames are for this station (Intel 317453, sections 3.2.1 and 9.3)."""

from __future__ import annotations

from enum import IntEnum

from emu.devices.e1000.registers import AV, RECEIVE_ADDRESSES, Rctl, Register, RegisterFile
from emu.devices.e1000.statistics import is_broadcast


class Passed(IntEnum):
    """What a frame's way through the filters comes to."""

    NO = 0                      # it is not for us
    EXACTLY = 1                 # it is
    INEXACTLY = 2               # it may be: its hash is in the multicast table


def passes(registers: RegisterFile, frame: bytes) -> Passed:
    """Whether a frame passes address and VLAN filters."""
    passed = _address(registers, frame[:6])
    return passed if passed and _vlan(registers, frame) else Passed.NO


def tag_of(registers: RegisterFile, frame: bytes) -> int | None:
    """The VLAN tag of a frame that has one."""
    if int.from_bytes(frame[12:14], "big") != registers[Register.VET] or len(frame) < 18:
        return None
    return int.from_bytes(frame[14:16], "big")


def _address(registers: RegisterFile, address: bytes) -> Passed:
    control = registers[Register.RCTL]
    group = address[0] & 1
    if control & (Rctl.MPE if group else Rctl.UPE):
        return Passed.EXACTLY
    if control & Rctl.BAM and is_broadcast(address):
        return Passed.EXACTLY
    low, high = int.from_bytes(address[:4], "little"), int.from_bytes(address[4:], "little") | AV
    for offset in range(Register.RAL, Register.RAL + 8 * RECEIVE_ADDRESSES, 8):
        if registers[offset] == low and registers[offset + 4] == high:      # address select 0: the destination
            return Passed.EXACTLY
    if group:
        shift = (4, 3, 2, 0)[control >> Rctl.MO & 3]        # of bits 47-32, the last bytes of the address
        index = (high & 0xFFFF) >> shift & 0xFFF
        if registers[Register.MTA + 4 * (index >> 5)] >> (index & 31) & 1:
            return Passed.INEXACTLY
    return Passed.NO


def _vlan(registers: RegisterFile, frame: bytes) -> bool:
    control = registers[Register.RCTL]
    tag = tag_of(registers, frame) if control & Rctl.VFE else None
    if tag is None:
        return True
    if control & Rctl.CFIEN and bool(tag & 0x1000) != bool(control & Rctl.CFI):
        return False
    return bool(registers[Register.VFTA + 4 * (tag >> 5 & 0x7F)] >> (tag & 31) & 1)
